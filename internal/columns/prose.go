package columns

import "strings"

// verbatim is the indentation from which on a line is not broken: a command to
// copy, or an example.
const verbatim = 4

// Prose lays out a text for a terminal of some width. Each of its lines is
// broken at spaces, and goes on under its own beginning; that of an item ("- ")
// under the text of the item. first stands before the first line, and as much
// room is left before the others. Without a width no line is broken.
func Prose(text string, width int, first string) string {
	margin := strings.Repeat(" ", Width(first))
	var b strings.Builder
	for i, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		if i > 0 {
			first = margin
		}
		for j, piece := range broken(line, width-len(margin), width > 0) {
			if j > 0 {
				first = margin
			}
			b.WriteString(strings.TrimRight(first+piece, " ") + "\n")
		}
	}
	return b.String()
}

// broken breaks one line; its indentation stays.
func broken(line string, width int, breaks bool) []string {
	plain := strings.TrimLeft(line, " ")
	indent := len(line) - len(plain)
	if !breaks || indent >= verbatim || Width(line) <= width {
		return []string{line}
	}
	begin, hang := line[:indent], line[:indent]
	if text, item := strings.CutPrefix(plain, "- "); item {
		plain, begin, hang = text, begin+"- ", hang+"  "
	}
	list := Wrap(plain, width-len(hang))
	for i := range list {
		list[i] = hang + list[i]
	}
	list[0] = begin + strings.TrimPrefix(list[0], hang)
	return list
}

// Unfold makes one line of each paragraph of a text that was broken by hand.
// An empty line ends a paragraph, and what is indented stays as it is.
func Unfold(text string) string {
	var out []string
	open := false // the line above may be continued
	for _, line := range strings.Split(text, "\n") {
		flows := line != "" && !strings.HasPrefix(line, " ") && !strings.HasPrefix(line, "\t")
		if flows && open {
			out[len(out)-1] += " " + line
		} else {
			out = append(out, line)
		}
		open = flows
	}
	return strings.Join(out, "\n")
}
