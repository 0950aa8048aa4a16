// Package page makes the pocket page: one HTML file with which a browser knocks.
// It asks for nothing from anywhere, so it may be saved, mailed or served by any
// web server; what a browser can do with a gate is in docs/POCKET.md.
//
// The sources are plain scripts, joined in the order of their names: no tool but
// this package is needed to build the file.
package page

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"io/fs"
	"strings"
	"time"
)

//go:embed src
var sources embed.FS

// Options say what a page has beyond the usual one.
type Options struct {
	Profiles []string  // texts of profiles or links: the file is then as secret as they are
	Made     time.Time // when: a device whose clock is earlier has a wrong clock
}

// HTML returns the page.
func HTML(opts Options) ([]byte, error) {
	gates, err := json.Marshal(append([]string{}, opts.Profiles...)) // escapes <, so no text ends the element
	if err != nil {
		return nil, err
	}
	script, style := Script(), read("src/pocket.css")
	shell, err := template.New("").Parse(read("src/pocket.html"))
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = shell.Execute(&b, map[string]any{
		"Policy": policy(script, style), "Made": opts.Made.UTC().Format(time.RFC3339),
		"Style": template.CSS(style), "Script": template.JS(script), "Gates": template.JS(gates),
	})
	return b.Bytes(), err
}

// Script returns the page's script.
func Script() string {
	names, err := fs.Glob(sources, "src/*.js")
	if err != nil {
		panic(err) // the pattern is a constant
	}
	var b strings.Builder
	b.WriteString("'use strict';\n")
	for _, name := range names {
		b.WriteString(read(name))
	}
	return b.String()
}

// policy allows this script and this style, and no request at all. Where the
// page is served, frame-ancestors belongs into a header; in the file the script
// looks itself.
func policy(script, style string) string {
	return fmt.Sprintf("default-src 'none'; script-src '%s'; style-src '%s'; img-src data:; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'",
		digest(script), digest(style))
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// read returns an embedded file.
func read(name string) string {
	text, err := sources.ReadFile(name)
	if err != nil {
		panic(err) // it is part of this program
	}
	return string(text)
}
