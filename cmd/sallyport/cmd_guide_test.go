//go:build linux && !client_only

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestGuideCommand(t *testing.T) {
	s := newServer(t, oneDoor+"sequence = [\"tcp/30211\", \"udp/7759\", \"udp/26903\", \"tcp/11468\", \"udp/18325\"]\n")
	policy := s.write("policy.toml", "name = \"Ours\"\nlongest_grant = \"10m\"\n")
	text, errs, status := call(t, "", "guide", "-c", s.config, "--policy", policy, "--lang", "en")
	if status != 0 || !strings.Contains(text, "policy “Ours”") || !strings.Contains(text, "for longer than 10 minutes") || strings.Contains(text, "7759") {
		t.Errorf("status %d, %s:\n%s", status, errs, text)
	}
	if _, mentions := commandLines(text); len(mentions) < 5 {
		t.Errorf("only the commands %q", mentions)
	} else {
		for _, words := range mentions {
			if err := knows(words); err != nil {
				t.Errorf("%q: %v", words, err)
			}
		}
	}
	if text, _, _ := call(t, "", "guide", "-c", s.config, "--lang", "ja"); !strings.Contains(text, "## 目的") {
		t.Error(text)
	}
	page := filepath.Join(t.TempDir(), "guide.html")
	if _, errs, status := call(t, "", "guide", "-c", s.config, "--html", page); status != 0 {
		t.Fatal(errs)
	}
	if html, err := os.ReadFile(page); err != nil || !strings.HasPrefix(string(html), "<!DOCTYPE html>") {
		t.Errorf("%.40s, %v", html, err)
	}
	wrong := s.write("wrong.toml", "longest_grant = \"never\"\n")
	if text, errs, status := call(t, "", "guide", "-c", s.config, "--policy", wrong); status != exitFailed || text != "" || !strings.Contains(errs, "wrong.toml:1") {
		t.Errorf("status %d, %s:\n%s", status, errs, text)
	}
}
