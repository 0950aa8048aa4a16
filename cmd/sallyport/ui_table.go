package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"

	"sallyport/internal/siem"
)

// printJSON writes a value as indented JSON, inert on a terminal.
func printJSON(w io.Writer, v any) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // what is printed here can be encoded
	// Writing to a closed pipe is not worth a message.
	_, _ = w.Write(siem.Inert(b.Bytes()))
}

// isTerminal tells whether a person reads along.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// remaining writes how long something still holds: "4s", "3m10s".
func remaining(until, now time.Time) string {
	left := until.Sub(now)
	if left < 0 {
		left = 0
	}
	return left.Round(time.Second).String()
}

// count writes "1 door", "2 doors".
func count(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// colored tells whether colours are welcome: on a terminal, unless the
// environment says otherwise (no-color.org).
func colored(w io.Writer) bool {
	return isTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}
