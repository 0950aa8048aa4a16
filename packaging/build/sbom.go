package main

import (
	"cmp"
	"debug/buildinfo"
	"encoding/json"
	"io"
	"maps"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// modules are the libraries that were linked into programs, by name and
// version, as the programs themselves say (go version -m).
type modules struct {
	goVersion string
	found     map[string]*debug.Module
}

// read takes up what is in one program.
func (m *modules) read(program string) error {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return err
	}
	m.goVersion = info.GoVersion
	if m.found == nil {
		m.found = make(map[string]*debug.Module)
	}
	for _, d := range info.Deps {
		m.found[d.Path+"@"+d.Version] = d
	}
	return nil
}

// The part of CycloneDX 1.5 (https://cyclonedx.org/docs/1.5/json/) that says what
// a program is made of.
type bom struct {
	Format     string      `json:"bomFormat"`
	Spec       string      `json:"specVersion"`
	Version    int         `json:"version"`
	Metadata   metadata    `json:"metadata"`
	Components []component `json:"components"`
}

type metadata struct {
	Timestamp string    `json:"timestamp"`
	Component component `json:"component"`
}

type component struct {
	Type       string     `json:"type"`
	Ref        string     `json:"bom-ref"`
	Name       string     `json:"name"`
	Version    string     `json:"version"`
	PURL       string     `json:"purl,omitempty"`
	Properties []property `json:"properties,omitempty"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// write writes one list for all targets of a program.
func (m *modules) write(s source, out string) (name string, err error) {
	list := []component{golang("std", strings.TrimPrefix(m.goVersion, "go"))}
	for _, d := range slices.SortedFunc(maps.Values(m.found), func(a, b *debug.Module) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(a.Version, b.Version))
	}) {
		c := golang(d.Path, d.Version)
		c.Properties = []property{{"go:sum", d.Sum}}
		if d.Replace != nil {
			c.Properties = []property{{"sallyport:changed", "scripts/mended"}}
		}
		list = append(list, c)
	}
	b := bom{"CycloneDX", "1.5", 1, metadata{s.date.Format(time.RFC3339), component{Type: "application", Ref: s.name(), Name: s.name(), Version: s.version}}, list}
	name = filepath.Join(out, s.name()+"_"+s.version+".cdx.json")
	return name, writeFile(name, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(b)
	})
}

// golang names a module as https://github.com/package-url/purl-spec does.
func golang(path, version string) component {
	purl := "pkg:golang/" + path + "@" + strings.ReplaceAll(version, "+", "%2B")
	return component{Type: "library", Ref: purl, Name: path, Version: version, PURL: purl}
}
