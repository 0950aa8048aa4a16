//go:build linux && !client_only

package main

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"sallyport/internal/lab/labtest"
)

// A page opens each time by each way, from a file and from a web server, for its own
// address alone. With SALLYPORT_LONG it does so 20 times, and says how long a door
// takes from the tap on.
func TestPageOpensEachTime(t *testing.T) {
	inBrowsers(t, func(t *testing.T, p *pocket) {
		for _, origin := range []string{"file", "https"} {
			if origin == "https" {
				p.url = p.serve()
				p.do(p.Open(p.url))
			} else {
				p.do(p.Open(p.url))
			}
			message := "message-" + origin
			p.enrol(message)
			p.opensEachTime(origin+", message", "open", func(int) string { return message })
			p.opensEachTime(origin+", sequence", "sent", func(i int) string {
				name := fmt.Sprintf("%s%d", origin, i) // a client of its own, whose steps nobody has used
				p.w.must(p.w.Gate, "client", "add", name, "--rotating", "--door", "ssh", "-c", p.w.config)
				p.add(p.link(name))
				return name
			})
		}
	})
}

// Notes in the page when the user has tapped, and when it first says what has come of it.
const stopwatch = `(() => { const d = document.body.dataset; d.tapped = d.said = '';
	self.watch ||= new MutationObserver(() => { if (!d.said && document.querySelector('[data-door=ssh].open, [data-door=ssh].sent')) d.said = Date.now(); })
		.observe(document.body, { childList: true, subtree: true }) || true;
	self.taps ||= document.addEventListener('click', () => { d.tapped = Date.now(); d.said = ''; }, true) || true; })()`

func (p *pocket) opensEachTime(what, state string, client func(round int) string) {
	rounds := labtest.Rounds(3, 20)
	w := p.w
	w.t.Helper()
	var granted, said []time.Duration
	for i := range rounds {
		name := client(i)
		p.do(p.Eval(stopwatch, new(any)))
		w.closed(w.Client, "tcp", at(w.Client, 22))
		p.tap("ssh", state)
		w.open(w.Client, "tcp", at(w.Client, 22))
		w.closed(w.Attacker, "tcp", at(w.Attacker, 22))
		w.ends(w.Client, "tcp", at(w.Client, 22))
		var at [2]int64
		p.do(p.Eval("[+document.body.dataset.tapped, +document.body.dataset.said]", &at))
		granted = append(granted, w.granted(name).Sub(time.UnixMilli(at[0])))
		said = append(said, time.Duration(at[1]-at[0])*time.Millisecond)
	}
	slices.Sort(granted)
	slices.Sort(said)
	ms := time.Millisecond
	w.t.Logf("%s, %s: %d of %d opened; from the tap to the grant p50 %v, p90 %v; until the page says so p50 %v, p90 %v", p.kind, what, len(granted), rounds,
		granted[rounds/2].Round(ms), granted[rounds*9/10].Round(ms), said[rounds/2], said[rounds*9/10])
}
