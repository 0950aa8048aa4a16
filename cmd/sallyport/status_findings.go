//go:build linux && !client_only

package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"sallyport/internal/event"
	"sallyport/internal/phrase"
)

// findingCounts is how many findings are open, by severity. nil: that is not
// known, for want of a journal or of the right to read it.
type findingCounts map[event.Severity]int

// openFindings counts what nobody has acknowledged.
func openFindings(ctx context.Context, config string) findingCounts {
	r, err := (&journalPlace{config: config}).open()
	if err != nil {
		return nil
	}
	defer r.Close()
	list, err := r.Findings(ctx, false)
	if err != nil {
		return nil
	}
	n := findingCounts{}
	for _, f := range list {
		n[f.Severity]++
	}
	return n
}

// print writes one line, if there is something to look at.
func (n findingCounts) print(w io.Writer) {
	all := 0
	var list []string
	for _, s := range slices.Backward(event.Severities()) {
		if n[s] > 0 {
			all += n[s]
			list = append(list, fmt.Sprintf("%d %s", n[s], s))
		}
	}
	if all > 0 {
		fmt.Fprintf(w, "%s open, %s: sallyport findings\n", phrase.Count(all, "finding"), strings.Join(list, ", "))
	}
}
