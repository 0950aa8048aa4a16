package main

import (
	"cmp"
	"fmt"
	"io"
	"time"

	"sallyport/internal/columns"
	"sallyport/internal/inert"
	"sallyport/internal/phrase"
)

// remaining writes how long something still holds: "4s", "3m10s", "10m".
func remaining(until, now time.Time) string {
	left := until.Sub(now)
	if left < 0 {
		left = 0
	}
	return phrase.Duration(left.Round(time.Second))
}

// table prints rows in columns. Whatever a cell holds, a terminal acts on none of it.
func table(w io.Writer, rows func(row func(cells ...any))) {
	var all [][]string
	rows(func(cells ...any) {
		row := make([]string, len(cells))
		for i, c := range cells {
			row[i] = inert.Text(fmt.Sprint(c))
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
