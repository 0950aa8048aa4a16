package main

import (
	"bytes"
	"encoding/json"
	"io"

	reporting "sallyport/internal/report"
	"sallyport/internal/siem"
)

// inert makes a text that somebody else may have chosen safe to print.
func inert(s string) string { return reporting.Inert(s) }

// printJSONLine writes a value as JSON on one line. What a terminal could act
// on is escaped there too, as JSON itself asks for below 0x20 only.
func printJSONLine(w io.Writer, v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := w.Write(siem.Inert(b.Bytes()))
	return err
}
