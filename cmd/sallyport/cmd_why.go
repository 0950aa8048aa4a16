//go:build linux && !client_only

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/config"
	"sallyport/internal/event"
	"sallyport/internal/inert"
	"sallyport/internal/journal"
	"sallyport/internal/lang"
	"sallyport/internal/report"
)

const (
	whyEvents = 10_000 // looked at
	whyShown  = 8      // shown one by one

	summedUp = time.Minute // the journal's interval
)

func newWhy(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "why SOURCE|CLIENT|DOOR",
		Short:   "Explain why someone gets in, or does not",
		GroupID: "server",
		Long: `Says in plain words what lately came from an address (or a prefix), from a client, or to a door; what
was decided and why; and what that person should do. "me" is where this SSH session comes from.`,
		Example: `  sallyport why 192.0.2.7
  sallyport why me
  sallyport why alice --since 7d
  sallyport why ssh`,
		Args: args(cobra.ExactArgs(1)),
	}
	var place journalPlace
	place.journalFlags(cmd)
	since := cmd.Flags().String("since", "24h", "look so far back: a `TIME` as for events")
	asJSON := cmd.Flags().Bool("json", false, "print JSON")
	language := languageFlag(cmd)
	cmd.PreRunE = noneEmpty
	cmd.RunE = func(cmd *cobra.Command, list []string) error {
		if list[0] == "" {
			return usageError{errors.New("neither an address nor a client: the argument is empty")}
		}
		now := time.Now()
		w := why{Target: list[0], Grants: []event.Grant{}, Reasons: []whyReason{}, Events: []eventLine{}}
		var err error
		if w.Since, err = parseWhen("--since", *since, now); err != nil {
			return usageError{err}
		}
		if err := w.read(cmd.Context(), &place); err != nil {
			return err
		}
		w.ask(cmd.Context(), place.config)
		if err := w.stranger(); err != nil {
			return err
		}
		if *asJSON {
			printJSON(std.out, w)
			return nil
		}
		w.lang, w.labels = language.get(), readLabels(place.config)
		w.print(std.out, now)
		return nil
	}
	return cmd
}

// why is the answer.
type why struct {
	Target  string        `json:"target"`
	Since   time.Time     `json:"since"`
	Daemon  bool          `json:"daemon"` // whether it answered, so that Grants are known
	Grants  []event.Grant `json:"grants"`
	Reasons []whyReason   `json:"reasons"` // of refusals and ends, the latest first
	Events  []eventLine   `json:"events"`  // the latest ones, the oldest first

	source  netip.Prefix // invalid: Target is a client or a door
	door    bool         // Target is a door
	granted uint64
	known   []string    // clients and doors
	used    bool        // a connection has come by a grant since
	last    event.Event // the latest grant or refusal
	lang    lang.Lang   // of the answer as text
	labels  labels
}

type whyReason struct {
	Kind    event.Kind   `json:"kind"`
	Reason  event.Reason `json:"reason"`
	Count   uint64       `json:"count"`
	Last    time.Time    `json:"last"`
	Detail  string       `json:"detail,omitempty"`
	Meaning string       `json:"meaning"`
	Advice  string       `json:"advice,omitempty"`
}

func (w *why) read(ctx context.Context, place *journalPlace) error {
	q := journal.Query{Since: w.Since, Limit: whyEvents}
	if err := w.resolve(place.config); err != nil {
		return err
	}
	switch {
	case w.source.IsValid():
		q.Source = w.source
	case w.door:
		q.Door = w.Target
	default:
		q.Client = w.Target
	}
	r, err := place.open()
	if err != nil {
		return err
	}
	defer r.Close()
	by := make(map[[2]string]*whyReason)
	for e, err := range r.Events(ctx, q) {
		if err != nil {
			return err
		}
		w.take(e.Event, by)
	}
	for _, one := range by {
		w.Reasons = append(w.Reasons, *one)
	}
	slices.SortFunc(w.Reasons, func(a, b whyReason) int { return cmp.Or(b.Last.Compare(a.Last), cmp.Compare(a.Reason, b.Reason)) })
	return nil
}

// resolve finds out what is asked about. Names that the configuration has not
// may be in the journal still.
func (w *why) resolve(path string) (err error) {
	if prefix, err := parseSource(w.Target); err == nil {
		w.source = prefix
		return nil
	}
	cfg, err := loadConfig(path)
	if err != nil { // a client, as far as is known
		return nil
	}
	w.door = findClient(cfg, w.Target) == nil && (cfg.Door(w.Target) != nil || slices.ContainsFunc(cfg.Groups, func(g config.Group) bool { return g.Name == w.Target }))
	w.known = knownNames(cfg)
	return nil
}

// stranger returns an error for a name that neither the configuration nor the
// journal has.
func (w *why) stranger() error {
	if w.source.IsValid() || w.door || len(w.Events)+len(w.Grants) > 0 || w.known == nil || slices.Contains(w.known, w.Target) {
		return nil
	}
	_, err := parseSource(w.Target)
	if !errors.Is(err, errSource) && w.Target != thisSession {
		return fmt.Errorf("%q: %w", w.Target, err)
	}
	if w.Target == thisSession {
		return err
	}
	return hinted{fmt.Errorf("%q is neither an address nor a client nor a door", w.Target), didYouMean(w.Target, w.known, thereAre("client or door", w.known))}
}

// take adds one event to the answer.
func (w *why) take(e event.Event, by map[[2]string]*whyReason) {
	n := max(e.Count.Packets, 1)
	w.Events = append(w.Events, newEventLine(e))
	if len(w.Events) > whyShown {
		w.Events = w.Events[1:]
	}
	switch e.Kind {
	case event.KindGrant:
		w.granted += n
		w.last = e
		return
	case event.KindUse:
		w.used = true
		return
	case event.KindRefusal:
		w.last = e
	case event.KindBan:
		if e.Ended {
			return
		}
	case event.KindRevocation, event.KindFailure:
	default:
		return
	}
	one := by[[2]string{string(e.Kind), string(e.Reason)}]
	if one == nil {
		x, _ := report.Explain(e.Reason)
		one = &whyReason{Kind: e.Kind, Reason: e.Reason, Meaning: x.Meaning, Advice: x.Advice}
		by[[2]string{string(e.Kind), string(e.Reason)}] = one
	}
	one.Count += n
	one.Last, one.Detail = e.Time, e.Detail
}

// ask adds what is granted now, if the daemon answers.
func (w *why) ask(ctx context.Context, config string) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	conn, err := dial(config)
	if err != nil {
		return
	}
	s, err := conn.Status(ctx)
	if err != nil {
		return
	}
	w.Daemon = true
	for _, g := range s.Grants {
		if w.concerns(g) {
			w.Grants = append(w.Grants, g)
		}
	}
}

// concerns reports whether a grant lets in what is asked about, or was asked for
// from there.
func (w *why) concerns(g event.Grant) bool {
	switch {
	case w.door:
		return g.Door == w.Target
	case !w.source.IsValid():
		return g.Client == w.Target
	}
	return w.source.Contains(g.Source.Unmap()) || w.source.Overlaps(g.From())
}

func (w *why) print(to io.Writer, now time.Time) {
	out := screenOf(to)
	say := w.sayer(out)
	if label := w.labels.clients[w.Target]; label != "" && !w.source.IsValid() {
		say("Client %s.", w.client(w.Target))
	}
	w.printNow(out, now)
	since := w.lang.Time(w.Since.Local(), lang.Second)
	if len(w.Events) == 0 {
		if w.door {
			say("Nothing at door %s since %s.", w.doorNamed(w.Target), since)
		} else {
			say("Nothing from %s since %s.", inert.Text(w.Target), since)
		}
		fmt.Fprintln(out)
		out.prose("", "", w.silence(out.width > 0))
		return
	}
	fmt.Fprintln(out)
	say("Since %s, the latest at the end:", since)
	for _, e := range w.Events {
		out.prose(kindColors[e.Kind], "  "+w.lang.Time(e.Time.Local(), lang.Second)+"  ", w.sentence(e))
	}
	if len(w.Reasons) == 0 && w.granted > 0 {
		fmt.Fprintln(out)
		say("Every knock was granted (%s).", timesIn(w.lang, w.granted))
	}
	if w.unused(now) {
		fmt.Fprintln(out)
		out.prose("", "", unfold(w.lang.Say(sayUnusedGrants), out.width > 0))
	}
	w.printReasons(out)
	if w.last.Kind == event.KindRefusal && now.Sub(w.last.Time) < summedUp {
		fmt.Fprintln(out)
		say("What is refused again for the same reason is added once a minute.")
	}
}

// sayer returns a function that prints a sentence in the language of the answer.
func (w *why) sayer(out screen) func(string, ...any) {
	return func(english string, args ...any) { out.prose("", "", w.lang.Sayf(english, args...)) }
}

func (w *why) printReasons(out screen) {
	l := w.lang
	for _, r := range w.Reasons {
		fmt.Fprintln(out)
		out.prose("", "", l.Sayf("%s, %s, the last time at %s:", inert.Text(title(l, r)), timesIn(l, r.Count), l.Time(r.Last.Local(), lang.Second)))
		out.prose("", "  ", l.Sayf("%s.", cmp.Or(capital(l.Say(r.Meaning)), inert.Text(r.Detail))))
		if r.Advice != "" {
			out.prose("", "  ", l.Sayf("What to do: %s", l.Say(r.Advice)))
		}
	}
}

// door and client write a name in quotes, with its label.
func (w *why) doorNamed(name string) string {
	return labelled(strconv.Quote(name), w.labels.doors[name])
}

func (w *why) client(name string) string {
	return labelled(strconv.Quote(name), w.labels.clients[name])
}

// usedWithin is how soon after a grant its connection comes.
const usedWithin = 5 * time.Second

// unused reports whether grants helped nobody, as far as connections are known.
func (w *why) unused(now time.Time) bool {
	return w.granted > 0 && !w.used && w.last.Kind == event.KindGrant && now.Sub(w.last.Time) > usedWithin
}

const sayUnusedGrants = `No connection is known that used these grants. Either another firewall drops it, here (fail2ban, a trap
for scanners, rules of your own: sallyport check names those that it finds) or on the way; or it comes
from another address than the knock (behind a carrier's NAT, or with IPv6 where the knock was IPv4):
sallyport doctor PROFILE on the client shows the address. Or nothing tried to connect.`

// capital makes a beginning of our own words one of a sentence.
func capital(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:] // of Japanese, a byte that has no capital
}

func title(l lang.Lang, r whyReason) string {
	word := map[event.Kind]string{event.KindRefusal: l.Say("Refused"), event.KindRevocation: l.Say("Revoked"), event.KindBan: l.Say("Banned"), event.KindFailure: l.Say("Failed")}[r.Kind]
	if r.Reason == "" {
		return word
	}
	return fmt.Sprintf("%s (%s)", word, r.Reason)
}

// printNow says what holds at present.
func (w *why) printNow(out screen, now time.Time) {
	say := w.sayer(out)
	switch {
	case !w.Daemon:
		say("The daemon does not answer, so what is open now is not known.")
	case len(w.Grants) == 0 && w.door:
		say("Now: door %s is open for nobody.", w.doorNamed(w.Target))
	case len(w.Grants) == 0:
		say("Now: no door is open for %s.", inert.Text(w.Target))
	}
	for _, g := range w.Grants {
		say("Now: door %s is open for %s, %s more.", w.doorNamed(g.Door), g.For(), remaining(g.Until, now))
	}
}

// silence explains that there is nothing: the most frequent case, and the one
// in which a log says the least.
func (w *why) silence(flowing bool) string {
	if w.door {
		return unfold(w.lang.Say(saySilentDoor), flowing)
	}
	if !w.source.IsValid() {
		return unfold(w.lang.Say(saySilentClient), flowing)
	}
	return unfold(w.lang.Say(saySilentSource), flowing) + "\n  tcpdump -ni any host " + w.source.Addr().String()
}

const (
	saySilentClient = `A message from a client that cannot be opened bears no name, so it would not be here. Ask for
the address instead (sallyport why ADDRESS); sallyport doctor PROFILE on the client shows that.`

	saySilentDoor = `Nobody has knocked at this door, as far as the server could see. What stops before it, on the way
or at another firewall, is not seen here: ask for the address (sallyport why ADDRESS).`

	saySilentSource = `Either no packet arrived: another firewall or a provider in between drops it, it was sent to
an address that is not this server's (sallyport status counts those), or it left from another address than you think (behind NAT or a
VPN: ask from there for the public one). Or it was not the first knock of any sequence: that is
what every stray packet looks like, so it is not kept. To see packets as they arrive, run here:`
)

// sentence says what an event was.
func (w *why) sentence(e eventLine) string {
	l := w.lang
	from, who := e.Source, l.Sayf("for %s", e.Source)
	if e.Client != "" {
		source := cmp.Or(e.Source, l.Say("no address"))
		from, who = l.Sayf("%s of client %s", source, w.client(e.Client)), l.Sayf("for %s of client %s", source, w.client(e.Client))
	}
	door := l.Say("a door")
	if e.Door != "" {
		door = l.Sayf("door %s", w.doorNamed(e.Door))
	}
	detail := ""
	if e.Detail != "" {
		detail = ": " + inert.Text(e.Detail)
	}
	switch reason := inert.Text(string(e.Reason)); e.Kind {
	case event.KindGrant:
		return l.Sayf("opened %s %s%s", door, who, detail)
	case event.KindRefusal:
		if e.Door != "" {
			return l.Sayf("refused (%s) %s at %s%s", reason, from, door, detail)
		}
		return l.Sayf("refused (%s) %s%s", reason, from, detail)
	case event.KindExpiry:
		return l.Sayf("closed %s %s, its time was over", door, who)
	case event.KindRevocation:
		return l.Sayf("closed %s %s (%s)%s", door, who, reason, detail)
	}
	switch e.Kind {
	case event.KindUse:
		return l.Sayf("a connection by %s %s%s", door, who, detail)
	case event.KindContacts:
		return l.Sayf("touched closed ports, as knocks and scans do, %s%s", from, detail)
	}
	return inert.Text(string(e.Kind)) + detail
}
