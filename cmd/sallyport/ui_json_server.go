//go:build !client_only

package main

import (
	"bytes"
	"encoding/json"
	"io"

	"sallyport/internal/inert"
)

func indentedJSON(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // what is printed here can be encoded
	return b.Bytes()
}

// inertJSON passes JSON on with everything escaped that a terminal could act on.
type inertJSON struct{ to io.Writer }

// Write takes whole lines. It implements io.Writer.
func (w inertJSON) Write(lines []byte) (int, error) {
	if _, err := w.to.Write(inert.JSON(lines)); err != nil {
		return 0, err
	}
	return len(lines), nil
}

// printJSONLine writes a value as JSON on one line. What a terminal could act
// on is escaped there too, as JSON itself asks for below 0x20 only.
func printJSONLine(w io.Writer, v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := w.Write(inert.JSON(b.Bytes()))
	return err
}
