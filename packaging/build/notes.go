package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// notes writes what the changelog says about the version.
func (s source) notes(out string) (string, error) {
	text, err := os.ReadFile(filepath.Join(s.root, "CHANGELOG.md"))
	if err != nil {
		return "", err
	}
	part, err := section(string(text), s.version)
	if err != nil {
		return "", err
	}
	name := filepath.Join(out, "CHANGES_"+s.version+".md")
	return name, os.WriteFile(name, []byte(part), 0o644)
}

// section returns what a changelog says about a version ("## 1.2.3", or
// "## 1.2.3 (DATE)"). What is no release yet may still stand under "Unreleased".
func section(changelog, version string) (string, error) {
	unreleased := ""
	for _, part := range strings.Split("\n"+changelog, "\n## ")[1:] {
		title, body, _ := strings.Cut(part, "\n")
		switch word, _, _ := strings.Cut(title, " "); word {
		case version:
			return "## " + title + "\n\n" + strings.TrimSpace(body) + "\n", nil
		case "Unreleased":
			unreleased = "## " + version + "\n\n" + strings.TrimSpace(body) + "\n"
		}
	}
	if unreleased != "" && strings.ContainsAny(version, "~+") {
		return unreleased, nil
	}
	return "", fmt.Errorf("CHANGELOG.md has no section %q: name it there, in place of \"Unreleased\"", version)
}

// sums writes SHA256SUMS, as sha256sum -c reads it.
func sums(names []string, out string) error {
	names = slices.Sorted(slices.Values(names))
	return writeFile(filepath.Join(out, "SHA256SUMS"), func(w io.Writer) error {
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(w, "%x  %s\n", sha256.Sum256(text), filepath.Base(name)); err != nil {
				return err
			}
		}
		return nil
	})
}
