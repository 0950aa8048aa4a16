package storetest

import "testing"

func TestDouble(t *testing.T) {
	d := New()
	Contract(t, d, d.Compact)
}
