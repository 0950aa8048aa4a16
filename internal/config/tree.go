package config

import (
	"bytes"
	"errors"
	"sort"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// A document is kept as a tree in which every value knows its place, because a
// value can be wrong for reasons that show long after it was parsed: a port
// that another file has given to another door.

// value is one value of a document. Arrays have items, tables a table.
type value struct {
	kind  unstable.Kind
	text  string // content of a string; other scalars as written
	place Place
	items []value
	table *table
	used  bool // someone asked for this key
}

// table holds the values of a table by their keys.
type table struct {
	place  Place
	values map[string]*value
}

func newTable(at Place) *table { return &table{at, make(map[string]*value)} }

// maxKeys is far above what any table needs. The check of the whole document
// takes time in proportion to the square of the keys of a table.
const maxKeys = 1000

// parser builds the tree of one file.
type parser struct {
	unstable.Parser
	file     file
	newlines []int // offsets
	crowded  bool  // a table has more than maxKeys
	errs     *Errors
}

// parse returns the tree of a file, and whether it is valid TOML. Where it is
// not, the tree holds what came before.
func parse(f file, errs *Errors) (root *table, ok bool) {
	root = newTable(Place{File: f.path})
	// What a loss of power leaves of a file that was just written closes no door.
	if len(f.data) == 0 {
		errs.add(root.place, "is empty: want at least a comment, or no file")
		return root, false
	}
	if line, err := f.text(); err != nil {
		errs.add(Place{f.path, line}, "%w", err)
		return root, false
	}
	p := &parser{file: f, newlines: newlines(f.data), errs: errs}
	p.Reset(f.data)
	before := len(*errs)
	for at := root; !p.crowded && p.NextExpression(); {
		switch e := p.Expression(); e.Kind {
		case unstable.Table, unstable.ArrayTable:
			at = p.header(root, e)
		case unstable.KeyValue:
			p.assign(at, e)
		}
	}
	if p.crowded || len(*errs) > before && p.Error() == nil {
		return root, false
	}
	// The parser above checks the grammar only, and stops where that is broken.
	// Whatever else TOML forbids (a table that is opened twice, the 31st of
	// February) is found here, with the place.
	if err := toml.Unmarshal(f.data, new(map[string]any)); err != nil {
		text := abbreviate(strings.TrimPrefix(err.Error(), "toml: "), 200)
		errs.add(Place{f.path, position(err)}, "is not valid TOML: %s", text)
		return root, false
	}
	return root, true
}

// position returns the line of a decoding error.
func position(err error) int {
	var d *toml.DecodeError
	if !errors.As(err, &d) {
		return 0
	}
	line, _ := d.Position()
	return line
}

// newlines lists the offsets of the line ends, so that the line of any offset
// is found without counting from the start each time.
func newlines(data []byte) []int {
	list := make([]int, 0, bytes.Count(data, []byte("\n")))
	for i, b := range data {
		if b == '\n' {
			list = append(list, i)
		}
	}
	return list
}

func (p *parser) place(n *unstable.Node) Place {
	return Place{p.file.path, 1 + sort.SearchInts(p.newlines, int(n.Raw.Offset))}
}

// header returns the table that [a.b] or [[a.b]] opens.
func (p *parser) header(root *table, e *unstable.Node) *table {
	at := root
	for it := e.Key(); it.Next(); {
		at = p.descend(at, it.Node(), e.Kind == unstable.ArrayTable && it.IsLast())
	}
	return at
}

// descend returns the table under a key: a new element of the array there, if
// one is asked for, else the table or the latest element of the array.
func (p *parser) descend(at *table, key *unstable.Node, element bool) *table {
	place := p.place(key)
	v := at.values[string(key.Data)]
	if v == nil {
		v = &value{kind: unstable.InlineTable, place: place, table: newTable(place)}
		if element {
			v.kind, v.table = unstable.Array, nil
		}
		p.set(at, key, v)
	}
	if element && v.kind == unstable.Array {
		v.items = append(v.items, value{kind: unstable.InlineTable, place: place, table: newTable(place)})
	}
	t := v.table
	if v.kind == unstable.Array && len(v.items) > 0 {
		t = v.items[len(v.items)-1].table
	}
	if t == nil || element && v.kind != unstable.Array {
		p.errs.twice(place, string(key.Data), v.place)
		return newTable(place)
	}
	return t
}

// assign sets a key, which may be dotted.
func (p *parser) assign(at *table, e *unstable.Node) {
	for it := e.Key(); it.Next(); {
		key := it.Node()
		if !it.IsLast() {
			at = p.descend(at, key, false)
			continue
		}
		if set := at.values[string(key.Data)]; set != nil {
			p.errs.twice(p.place(key), string(key.Data), set.place)
			return
		}
		v := p.value(e.Value(), p.place(key))
		p.set(at, key, &v)
	}
}

// set sets a new key, unless there are too many.
func (p *parser) set(t *table, key *unstable.Node, v *value) {
	if len(t.values) < maxKeys {
		t.values[string(key.Data)] = v
		return
	}
	if !p.crowded {
		p.errs.add(v.place, "more than %d keys in one table", maxKeys)
	}
	p.crowded = true
}

// value copies a value out of the parser. The parser bounds how deep values
// are nested.
func (p *parser) value(n *unstable.Node, place Place) value {
	v := value{kind: n.Kind, place: place}
	switch n.Kind {
	case unstable.Array:
		for it := n.Children(); it.Next(); {
			item := it.Node()
			at := place
			if item.Raw.Length > 0 {
				at = p.place(item)
			}
			v.items = append(v.items, p.value(item, at))
		}
	case unstable.InlineTable:
		v.table = newTable(place)
		for it := n.Children(); it.Next(); {
			p.assign(v.table, it.Node())
		}
	default:
		v.text = string(n.Data)
	}
	return v
}

// merge adds the tables of another file: arrays of tables grow, other tables
// are united, and whatever else is set in both is a mistake.
func (t *table) merge(other *table, errs *Errors) {
	for key, v := range other.values {
		have := t.values[key]
		switch {
		case have == nil:
			t.values[key] = v
		case have.kind == unstable.Array && v.kind == unstable.Array && have.ofTables() && v.ofTables():
			have.items = append(have.items, v.items...)
		case have.table != nil && v.table != nil:
			have.table.unite(v.table, errs)
		default:
			errs.twice(v.place, key, have.place)
		}
	}
}

func (t *table) unite(other *table, errs *Errors) {
	for key, v := range other.values {
		if have := t.values[key]; have != nil {
			errs.twice(v.place, key, have.place)
			continue
		}
		t.values[key] = v
	}
}

func (v *value) ofTables() bool { return len(v.items) == 0 || v.items[0].table != nil }
