package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"

	"sallyport/internal/columns"
	"sallyport/internal/phrase"
)

// isTerminal tells whether a person reads along.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// remaining writes how long something still holds: "4s", "3m10s", "10m".
func remaining(until, now time.Time) string {
	left := until.Sub(now)
	if left < 0 {
		left = 0
	}
	return phrase.Duration(left.Round(time.Second))
}

// colored tells whether colours are welcome: on a terminal, unless the
// environment says otherwise (no-color.org).
func colored(w io.Writer) bool {
	return isTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// table prints rows in columns.
func table(w io.Writer, rows func(row func(cells ...any))) {
	var all [][]string
	rows(func(cells ...any) {
		row := make([]string, len(cells))
		for i, c := range cells {
			row[i] = fmt.Sprint(c)
		}
		all = append(all, row)
	})
	columns.Write(w, all)
}

// orDash fills an empty cell.
func orDash(text string) string { return cmp.Or(text, "-") }

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
