package convert

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/packet"
	"sallyport/internal/phrase"
)

// draft is a configuration in the making.
type draft struct {
	intro string
	into  *Into
	head  []*setting
	parts []*part
	fresh Sequence
}

// part is what became of one section of the source: comments, and mostly a
// door.
type part struct {
	title  string // what it comes from
	line   int    // where that stands
	notes  []Note
	door   *door
	client *client
	tail   string // comments that follow the door: tables to be completed
}

// door is a [[door]] to be.
type door struct {
	name            string
	ports           []packet.Port
	openFor, within time.Duration // within 0: no sequence
	knocks          []packet.Port
	oneTime         string // the file of knockd that is to be converted
	to              []netip.Prefix

	behind   bool // its ports are of after a translation
	off      bool // it is written as a comment
	replaced int  // how often its sequence has been replaced

	first, sequence, last int // lines in what was written last
}

func (p *part) note(line int, format string, args ...any) {
	p.notes = append(p.notes, Note{line, fmt.Sprintf(format, args...)})
}

// limits of config.Door, which are not worth a refusal.
func (d *door) clamp(p *part) {
	for _, f := range []struct {
		name      string
		value     *time.Duration
		low, high time.Duration
	}{{"open_for", &d.openFor, time.Second, 24 * time.Hour}, {"within", &d.within, 100 * time.Millisecond, 10 * time.Minute}} {
		old := *f.value
		*f.value = min(max(old, f.low), f.high)
		if *f.value != old {
			p.note(p.line, "%s is %s in place of %s, which is out of bounds.", f.name, phrase.Duration(*f.value), phrase.Duration(old))
		}
	}
}

// settle writes the draft and changes it until our configuration accepts it:
// sequences that are refused are replaced, doors that are refused otherwise
// become comments. Each round changes a door, and each door few times.
func (d *draft) settle() (Result, error) {
	for {
		text := d.write()
		if len(text) > maxText {
			return Result{}, fmt.Errorf("would become %d bytes, more than the %d of a configuration file: split it", len(text), maxText)
		}
		cfg, err := d.into.Load(text)
		var mistakes config.Errors
		if !errors.As(err, &mistakes) {
			return d.result(text, cfg), nil
		}
		changed := false
		for _, m := range mistakes {
			changed = d.correct(m) || changed
		}
		if !changed {
			return Result{}, fmt.Errorf("becomes what is refused: %w", mistakes[0].Err)
		}
	}
}

// correct changes the door that a mistake is about. It reports whether there
// is one.
func (d *draft) correct(m *config.Error) bool {
	line := d.lineOf(m)
	// The place of another door of the draft means nothing to those who read it.
	ofOurs := regexp.MustCompile(`,? at ` + regexp.QuoteMeta(d.into.Path) + `:\d+`)
	why := ofOurs.ReplaceAllString(m.Err.Error(), "")
	for _, p := range d.parts {
		if c := p.client; c != nil && !c.off && line >= c.first && line <= c.last {
			c.off = true
			p.note(p.line, "The client is left out, with its keys, because it would be refused: %s.", why)
			return true
		}
		if p.door == nil || p.door.off || line < p.door.first || line > p.door.last {
			continue
		}
		if line != p.door.sequence || !d.replace(p, why) {
			p.door.off = true
			p.note(p.line, "This door is a comment only, because it would be refused: %s.", why)
		}
		return true
	}
	return d.correctHead(line, why)
}

// replace gives a door a new sequence. It reports whether it could.
func (d *draft) replace(p *part, why string) bool {
	if d.fresh == nil || p.door.replaced == 3 {
		return false
	}
	knocks, err := d.fresh()
	if err != nil {
		return false
	}
	if p.door.replaced == 0 {
		old := "The sequence is not understood"
		if p.door.knocks != nil {
			old = "The sequence was " + tomlKnocks(p.door.knocks)
		}
		p.note(p.line, "%s, and is refused: %s. The one here is new and random: inform those who knock.", old, why)
	}
	p.door.knocks = knocks
	p.door.replaced++
	return true
}

func (d *draft) result(text string, cfg *config.Config) Result {
	r := Result{Text: text, Config: cfg, Path: d.into.Path}
	for _, p := range d.parts {
		if p.door != nil && !p.door.off {
			r.Doors++
		}
		if p.client != nil && !p.client.off {
			r.Clients++
		}
		r.Notes = append(r.Notes, p.notes...)
	}
	slices.SortStableFunc(r.Notes, func(a, b Note) int { return a.Line - b.Line })
	return r
}

func (d *draft) write() string {
	w := &writer{line: 1}
	w.comment(d.intro)
	d.writeHead(w)
	for _, p := range d.parts {
		w.printf("\n")
		w.comment(p.title)
		for _, n := range p.notes {
			w.comment("- " + n.Text)
		}
		if p.door != nil {
			p.door.write(w)
		}
		if p.client != nil && !p.client.off {
			p.client.write(w)
		}
		if p.tail != "" {
			w.printf("\n")
			w.comment(p.tail)
		}
	}
	return w.String()
}

func (d *door) write(w *writer) {
	prefix := ""
	if d.off {
		prefix = "# "
	}
	set := func(key, value string) { w.printf("%s%-8s = %s\n", prefix, key, value) }
	d.first = w.line
	w.printf("%s[[door]]\n", prefix)
	set("name", config.Quote(d.name))
	if len(d.ports) == 0 {
		w.printf(`# ports    = ["tcp/…"]` + "\n")
	} else {
		set("ports", tomlPorts(d.ports))
	}
	set("open_for", tomlDuration(d.openFor))
	if d.knocks != nil {
		d.sequence = w.line
		set("sequence", tomlKnocks(d.knocks))
	}
	if d.oneTime != "" {
		w.printf("# sequences_file = %s\n", config.Quote("/etc/sallyport/"+d.name+".sequences"))
	}
	if d.within > 0 && d.knocks != nil {
		set("within", tomlDuration(d.within))
	}
	if len(d.to) > 0 {
		words := make([]string, len(d.to))
		for i, p := range d.to {
			words[i] = config.Quote(p.String())
		}
		set("to", "["+strings.Join(words, ", ")+"]")
	}
	d.last = w.line - 1
}
