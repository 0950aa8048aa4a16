package main

import (
	"context"
	"path/filepath"
	"testing"
)

// The client fits on a router and runs there: 32 bits without a unit for floating
// point make the largest one, and the other order of bytes.
func TestClientForARouter(t *testing.T) {
	long(t)
	s := testSource("1.2.3")
	s.client = true
	for _, p := range named([]string{"linux_mips", "linux_mipsle", "linux_armv5", "linux_386"}) {
		s.target = p.target
		program := filepath.Join(t.TempDir(), "sallyport")
		if err := s.build(context.Background(), program); err != nil {
			t.Fatal(err)
		}
		if err := s.check(context.Background(), program); err != nil {
			t.Errorf("%s: %v", p, err)
		}
	}
}

// What does not do what it should is refused.
func TestCheck(t *testing.T) {
	s := testSource("1.2.3")
	if err := s.check(context.Background(), "/bin/true"); err == nil {
		t.Error("a program that says no version is taken")
	}
	if err := s.check(context.Background(), filepath.Join(t.TempDir(), "missing")); err == nil {
		t.Error("a program that is not there is taken")
	}
}
