//go:build linux && !client_only

package main

import (
	"cmp"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"sallyport/internal/event"
	"sallyport/internal/inert"
	"sallyport/internal/lang"
	"sallyport/internal/report"
)

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
	if len(w.Reasons) == 0 && w.said.Granted > 0 {
		fmt.Fprintln(out)
		say("Every knock was granted (%s).", timesIn(w.lang, w.said.Granted))
	}
	if w.unused(now) {
		fmt.Fprintln(out)
		out.prose("", "", unfold(w.lang.Say(sayUnusedGrants), out.width > 0))
	}
	w.printReasons(out)
	if w.said.Last.Kind == event.KindRefusal && now.Sub(w.said.Last.Time) < summedUp {
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
	return w.said.Granted > 0 && !w.said.Used && w.said.Last.Kind == event.KindGrant && now.Sub(w.said.Last.Time) > usedWithin
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

func title(l lang.Lang, r report.WhyReason) string {
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
