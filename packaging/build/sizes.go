package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const (
	sizesBegin = "<!-- written by make sizes -->\n"
	sizesEnd   = "<!-- end -->\n"
)

// clients builds the clients for the targets, as their archives have them, and
// leaves each in a folder under its target's name.
func (s source) clients(ctx context.Context, out string, list []product) error {
	out, err := filepath.Abs(out) // commands run in the source
	if err != nil {
		return err
	}
	s.client = true
	for _, p := range list {
		s.target = p.target
		if err := s.build(ctx, filepath.Join(out, p.String())); err != nil {
			return fmt.Errorf("build the client for %s: %w", p, err)
		}
	}
	return nil
}

// sizes builds the client for each target, and writes how large each is into
// docs/CLIENT.md.
func (s source) sizes(ctx context.Context, list []product) error {
	stage, err := os.MkdirTemp("", "sallyport-sizes-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(stage)
	if err := s.clients(ctx, stage, list); err != nil {
		return err
	}
	var table strings.Builder
	table.WriteString("\n| Client for | Bytes |\n|---|---|\n")
	for _, p := range list {
		info, err := os.Stat(filepath.Join(stage, p.String()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&table, "| %s | %d |\n", p, info.Size())
	}
	return replaceIn(filepath.Join(s.root, "docs", "CLIENT.md"), table.String()+"\n")
}

// replaceIn puts the table into a document.
func replaceIn(name, table string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	before, rest, found := strings.Cut(string(text), sizesBegin)
	_, after, ended := strings.Cut(rest, sizesEnd)
	if !found || !ended {
		return fmt.Errorf("%s has no place for the table of sizes", name)
	}
	return os.WriteFile(name, []byte(before+sizesBegin+table+sizesEnd+after), 0o644)
}
