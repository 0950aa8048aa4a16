// Package guide writes the guideline that an organisation hands to its people
// and its auditors, out of the configuration: who may open what and why, the
// rules for secrets, what is recorded, and what to do when something happens.
//
// Every sentence has a name and a condition on the configuration, so that none
// is printed that is not true of it. No secret goes into the document: neither
// knocks nor keys, nor the ports of decoys, nor addresses of webhooks. Texts
// that people have chosen are inert in both forms of it.
//
// It is pure: the time is handed in.
package guide

import (
	"slices"
	"strings"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/inert"
	"sallyport/internal/lang"
)

// Subject is what a guideline is about.
type Subject struct {
	Config *config.Config
	Policy *config.Requirements // nil: none
	Host   string
	Lang   lang.Lang
	Now    time.Time
}

// Guide is a guideline.
type Guide struct {
	Lang     lang.Lang
	Title    Text
	Sections []*Section
}

// Section is a heading with sentences and tables.
type Section struct {
	Title Text
	Items []Item
}

// Item is one sentence, or a table.
type Item struct {
	Clause string // its name
	Text   Text
	Table  *Table
}

// Table is a table.
type Table struct {
	Head []Text
	Rows [][]Text
}

// New writes the guideline.
func New(s Subject) *Guide { return write(s).guide }

// write returns the writer too, which knows the clauses that were left out.
func write(s Subject) *writer {
	w := &writer{Subject: s, guide: &Guide{Lang: s.Lang}}
	w.guide.Title = Text(w.T("How access to %s is guarded", user(s.Host)))
	w.purpose()
	w.access()
	w.secrets()
	w.demands()
	w.records()
	w.roles()
	w.events()
	w.reviews()
	w.guide.Sections = slices.DeleteFunc(w.guide.Sections, func(s *Section) bool { return len(s.Items) == 0 })
	return w
}

type writer struct {
	Subject
	guide   *Guide
	clauses []string // every one, written or not
}

// T says something in the language of the guideline.
func (w *writer) T(english string, args ...any) string {
	if len(args) == 0 {
		return w.Lang.Say(english)
	}
	return w.Lang.Sayf(english, args...)
}

func (w *writer) section(title string) {
	w.guide.Sections = append(w.guide.Sections, &Section{Title: Text(title)})
}

// clause writes a sentence where it is true.
func (w *writer) clause(name string, holds bool, text string) {
	w.item(holds, Item{Clause: name, Text: Text(text)})
}

// table writes a table that has rows.
func (w *writer) table(name string, t *Table) {
	w.item(len(t.Rows) > 0, Item{Clause: name, Table: t})
}

func (w *writer) item(holds bool, i Item) {
	w.clauses = append(w.clauses, i.Clause)
	if holds {
		s := w.guide.Sections[len(w.guide.Sections)-1]
		s.Items = append(s.Items, i)
	}
}

// Text is text in which what stands between backquotes is code. What people
// have chosen has none: see user.
type Text string

// standIn stands for a backquote in text that people have chosen. It is not
// printable, so that inert text does not have it.
const standIn = "\ue000"

// user makes text that people have chosen a part of a Text.
func user(s string) string { return strings.ReplaceAll(inert.Text(s), "`", standIn) }

// code shows a name or a path as code.
func code(s string) string { return "`" + user(s) + "`" }

// Piece is a part of a text.
type Piece struct {
	Code bool
	Text string
}

// Pieces cuts a text at its backquotes.
func (t Text) Pieces() (list []Piece) {
	for i, part := range strings.Split(string(t), "`") {
		if part != "" {
			list = append(list, Piece{i%2 == 1, strings.ReplaceAll(part, standIn, "`")})
		}
	}
	return list
}

// Plain is the text without marks.
func (t Text) Plain() string {
	var b strings.Builder
	for _, p := range t.Pieces() {
		b.WriteString(p.Text)
	}
	return b.String()
}

// list joins parts of a sentence.
func (w *writer) list(parts []string) string {
	if w.Lang == lang.Japanese {
		return strings.Join(parts, "、")
	}
	return strings.Join(parts, ", ")
}

// names joins names of those of a list that something is true of.
func names[T any](w *writer, all []T, name func(*T) string, holds func(*T) bool) string {
	var list []string
	for i := range all {
		if holds(&all[i]) {
			list = append(list, code(name(&all[i])))
		}
	}
	return w.list(list)
}

func (w *writer) doors(holds func(*config.Door) bool) string {
	return names(w, w.Config.Doors, func(d *config.Door) string { return d.Name }, holds)
}

func (w *writer) clients(holds func(*config.Client) bool) string {
	return names(w, w.Config.Clients, func(c *config.Client) string { return c.Name }, holds)
}

// spell joins values that write themselves.
func spell[T interface{ String() string }](w *writer, all []T) string {
	parts := make([]string, len(all))
	for i, v := range all {
		parts[i] = code(v.String())
	}
	return w.list(parts)
}
