//go:build linux && !client_only

package main

import (
	"testing"

	"sallyport/internal/event"
)

func TestEveryKindHasAColor(t *testing.T) {
	for _, k := range event.Kinds() {
		if kindColors[k] == "" {
			t.Errorf("events of kind %q have no colour", k)
		}
	}
}
