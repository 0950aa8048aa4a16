package main

import (
	"errors"
	"os/exec"
	"slices"
	"testing"
)

func TestProgramOf(t *testing.T) {
	self, err := exec.LookPath("go")
	if err != nil {
		t.Skip("there is no program to name")
	}
	c, err := programOf([]string{self, "-h", "{host}", "https://{host}:8443/"}, "gate.example.org")
	if err != nil || !slices.Equal(c.Args, []string{self, "-h", "gate.example.org", "https://gate.example.org:8443/"}) {
		t.Errorf("%v, %v", c, err)
	}
	if _, err := programOf(nil, "gate"); !errors.As(err, new(usageError)) {
		t.Errorf("no command: %v", err)
	}
	if _, err := programOf([]string{"no-such-program"}, "gate"); err == nil {
		t.Error("a program that is not there is found")
	}
}
