package guide

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/lang"
	"sallyport/internal/packet"
)

func (w *writer) purpose() {
	c, g := w.Config, &w.Config.Gate
	w.section(w.T("Purpose"))
	w.clause("made", true, w.T("This guideline is made by `sallyport guide` out of the configuration as it was on %s. Make it again whenever the configuration changes.", w.day(w.Now)))
	w.clause("doors-closed", g.Policy == config.PolicyDoors && len(c.Doors) > 0, w.T("Sallyport closes the ports of the doors below to everyone who has not knocked, with the exceptions that stand here. It guards no other port."))
	w.clause("all-closed", g.Policy == config.PolicyAll, w.T("Sallyport closes every port of this host to everyone who has not knocked, with the exceptions that stand here."))
	w.clause("nothing-closed", g.Policy == config.PolicyDoors && len(c.Doors) == 0, w.T("There is no door: nothing is closed, and nothing is guarded."))
	w.clause("public", len(g.Public) > 0, w.T("Open to everybody: %s.", w.ports(g.Public)))
	w.clause("none-public", g.Policy == config.PolicyAll && len(g.Public) == 0, w.T("No port is open to everybody."))
	w.clause("trusted", len(g.Trusted) > 0, w.T("From these addresses everything is reachable without a knock: %s.", spell(w, g.Trusted)))
	w.clause("interfaces", len(g.Interfaces) > 0, w.T("Only what arrives by these interfaces is guarded: %s.", w.quoted(g.Interfaces)))
	behind := func(d *config.Door) bool { return len(d.To) > 0 }
	w.clause("behind", w.doors(behind) != "", w.T("These doors also guard what lies behind this host, such as containers: %s.", w.doors(behind)))
	w.clause("drop", g.Closed == config.ClosedDrop, w.T("A closed port does not answer."))
	w.clause("reject", g.Closed == config.ClosedReject, w.T("A closed port answers like one at which nothing listens."))
	w.clause("login", len(c.Doors) > 0, w.T("An open door is no login: the service behind it keeps its own, and its own updates."))
}

func (w *writer) access() {
	c := w.Config
	w.section(w.T("Who may open what, and why"))
	w.table("doors", w.doorTable())
	w.table("clients", w.clientTable())
	w.clause("no-clients", len(c.Clients) == 0, w.T("No person or device is known by name."))
	groups := make([]string, len(c.Groups))
	for i, g := range c.Groups {
		groups[i] = w.T("%s opens %s", code(g.Name), w.quoted(g.Doors))
	}
	w.clause("groups", len(groups) > 0, w.T("Groups open several doors with one knock: %s.", w.list(groups)))
	w.clause("nameless", w.doors(w.static) != "" || w.sequenceOfGroup(), w.T("A sequence of a door or group opens for everyone who knows it. The records then show an address, but no name."))
	most := func(c *config.Client) bool { return c.Most > 0 }
	w.clause("most", w.clients(most) != "", w.T("These clients may have only a limited number of grants at a time: %s.", w.clients(most)))
	single := func(d *config.Door) bool { return d.Single }
	w.clause("single", w.doors(single) != "", w.T("A knock lets in one connection only at these doors: %s.", w.doors(single)))
	wide := func(d *config.Door) bool { return d.Widen4 > 0 || d.Widen6 > 0 }
	w.clause("wide", w.doors(wide) != "", w.T("At these doors a knock also lets in neighbours of its address: %s.", w.doors(wide)))
	unexplained := func(d *config.Door) bool { return d.Label == "" }
	w.clause("unexplained", w.doors(unexplained) != "", w.T("Nothing says what these doors are for: %s. Give each a label.", w.doors(unexplained)))
	nameless := func(c *config.Client) bool { return c.Label == "" }
	w.clause("unnamed", w.clients(nameless) != "", w.T("Nothing says whose these clients are: %s. Give each one with `sallyport client label`.", w.clients(nameless)))
}

func (w *writer) doorTable() *Table {
	t := &Table{Head: w.head(w.T("Door"), w.T("What for"), w.T("Ports"), w.T("Open for"), w.T("When"), w.T("Opened by"))}
	for i := range w.Config.Doors {
		d := &w.Config.Doors[i]
		t.Rows = append(t.Rows, []Text{
			Text(code(d.Name)), Text(user(d.Label)), Text(w.ports(d.Ports)), Text(w.length(d.OpenFor)), w.hours(d.Hours), Text(w.openers(d)),
		})
	}
	return t
}

// openers says who can open a door.
func (w *writer) openers(d *config.Door) string {
	var list []string
	if w.static(d) {
		list = append(list, w.T("its sequence"))
	}
	if d.SequencesFile != "" {
		list = append(list, w.T("its one-time sequences"))
	}
	for _, g := range w.Config.Groups {
		if len(g.Sequence) > 0 && slices.Contains(g.Doors, d.Name) {
			list = append(list, w.T("the sequence of group %s", code(g.Name)))
		}
	}
	clients := 0
	for i := range w.Config.Clients {
		if c := &w.Config.Clients[i]; slices.Contains(c.Doors, d.Name) && w.current(c) {
			clients++
		}
	}
	if clients > 0 {
		list = append(list, w.T("clients: %d", clients))
	}
	if len(list) == 0 {
		return w.T("administrators only")
	}
	return w.list(list)
}

func (w *writer) clientTable() *Table {
	t := &Table{Head: w.head(w.T("Client"), w.T("Whose"), w.T("Doors"), w.T("Knocks by"), w.T("From"), w.T("When"), w.T("Until"))}
	for i := range w.Config.Clients {
		c := &w.Config.Clients[i]
		until := w.T("no end")
		switch {
		case !c.Expires.IsZero() && !w.Now.Before(c.Expires):
			until = w.T("expired on %s", w.day(c.Expires))
		case !c.Expires.IsZero():
			until = w.day(c.Expires)
		}
		from := w.T("anywhere")
		if text := c.From.String(); text != "" {
			from = code(text)
		}
		t.Rows = append(t.Rows, []Text{
			Text(code(c.Name)), Text(user(c.Label)), Text(w.quoted(c.Doors)), Text(w.waysOf(c)), Text(from), w.hours(c.Hours), Text(until),
		})
	}
	return t
}

func (w *writer) waysOf(c *config.Client) string {
	var list []string
	for _, way := range w.Config.WaysOf(c) {
		switch {
		case way == config.WaySPA && config.OnSecurityKey(c.Key):
			list = append(list, w.T("SSH key on a FIDO2 device"))
		case way == config.WaySPA:
			list = append(list, w.T("SSH key"))
		case way == config.WaySTUN:
			list = append(list, w.T("the same in STUN"))
		case way == config.WayRotating:
			list = append(list, w.T("rotating sequence"))
		case way == config.WayFwknop:
			list = append(list, w.T("fwknop"))
		}
	}
	if len(list) == 0 {
		return w.T("nothing yet")
	}
	return w.list(list)
}

// Conditions that several sections ask for.

func (w *writer) static(d *config.Door) bool { return len(d.Sequence) > 0 }

func (w *writer) sequenceOfGroup() bool {
	return slices.ContainsFunc(w.Config.Groups, func(g config.Group) bool { return len(g.Sequence) > 0 })
}

func (w *writer) current(c *config.Client) bool {
	return len(w.Config.WaysOf(c)) > 0 && (c.Expires.IsZero() || w.Now.Before(c.Expires))
}

// uses reports whether a client knocks in this way.
func (w *writer) uses(way config.Way) bool {
	for i := range w.Config.Clients {
		if slices.Contains(w.Config.WaysOf(&w.Config.Clients[i]), way) {
			return true
		}
	}
	return false
}

// Values.

func (w *writer) head(texts ...string) []Text {
	head := make([]Text, len(texts))
	for i, t := range texts {
		head[i] = Text(t)
	}
	return head
}

func (w *writer) day(t time.Time) string { return w.Lang.Time(t, lang.Whole) }

func (w *writer) hours(h config.Hours) Text {
	if h.IsZero() {
		return Text(w.T("always"))
	}
	return Text(code(h.String()))
}

// length writes a duration in words: "90 days", "1 hour 30 minutes".
func (w *writer) length(d time.Duration) string {
	var parts []string
	for _, unit := range []struct {
		is        time.Duration
		one, many string
	}{
		{24 * time.Hour, w.T("1 day"), w.Lang.Say("%d days")}, {time.Hour, w.T("1 hour"), w.Lang.Say("%d hours")},
		{time.Minute, w.T("1 minute"), w.Lang.Say("%d minutes")}, {time.Second, w.T("1 second"), w.Lang.Say("%d seconds")},
	} {
		switch n := int64(d / unit.is); n {
		case 0:
		case 1:
			parts = append(parts, unit.one)
		default:
			parts = append(parts, strings.Replace(unit.many, "%d", strconv.FormatInt(n, 10), 1))
		}
		d %= unit.is
	}
	return strings.Join(parts, " ")
}

func (w *writer) quoted(list []string) string {
	parts := make([]string, len(list))
	for i, s := range list {
		parts[i] = code(s)
	}
	return w.list(parts)
}

// ports writes ports that follow each other as a range.
func (w *writer) ports(all []packet.Port) string {
	var parts []string
	for i := 0; i < len(all); {
		last := i
		for last+1 < len(all) && all[last+1].Proto == all[i].Proto && all[last+1].Number == all[last].Number+1 {
			last++
		}
		text := all[i].String()
		if last > i {
			text = fmt.Sprintf("%s-%d", text, all[last].Number)
		}
		parts = append(parts, code(text))
		i = last + 1
	}
	return w.list(parts)
}
