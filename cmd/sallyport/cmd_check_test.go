//go:build linux && !client_only

package main

import (
	"strings"
	"testing"
)

// A policy's breaches count as any other error, and a mistake in it is reported
// with its line before anything is held against it.
func TestCheckAgainstAPolicy(t *testing.T) {
	s := newServer(t, oneDoor)
	strict := s.write("policy.toml", "longest_grant = \"10s\"\n")
	if _, errs, status := call(t, "", "check", "--offline", "-c", s.config); status != 0 {
		t.Fatalf("without a policy: %d, %s", status, errs)
	}
	out, _, status := call(t, "", "check", "--offline", "-c", s.config, "--policy", strict)
	if status != exitFailed || !strings.Contains(out, `policy-grant: door "ssh" opens for 30s, and the policy allows 10s`) {
		t.Errorf("status %d:\n%s", status, out)
	}
	out, _, _ = call(t, "", "check", "--offline", "--json", "-c", s.config, "--policy", strict)
	if !strings.Contains(out, `"rule": "policy-grant"`) {
		t.Error(out)
	}
	kept := s.write("kept.toml", "longest_grant = \"30s\"\n")
	if out, _, status := call(t, "", "check", "--offline", "-c", s.config, "--policy", kept); status != 0 || strings.Contains(out, "policy-") {
		t.Errorf("status %d:\n%s", status, out)
	}
	wrong := s.write("wrong.toml", "\nlongest_grnat = \"30s\"\n")
	if _, errs, status := call(t, "", "check", "--offline", "-c", s.config, "--policy", wrong); status != exitFailed || !strings.Contains(errs, "wrong.toml:2: unknown key") {
		t.Errorf("status %d: %s", status, errs)
	}
	if _, errs, status := call(t, "", "check", "--offline", "-c", s.config, "--policy", s.dir+"/none.toml"); status != exitFailed || !strings.Contains(errs, "none.toml: cannot be read") {
		t.Errorf("status %d: %s", status, errs)
	}
}
