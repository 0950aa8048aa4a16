//go:build linux && !client_only

package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/internal/lab"
	"sallyport/internal/lab/browser"
	"sallyport/internal/lab/labtest"
)

// watched is a gate with the real daemon and the real console, and a browser that looks.
type watched struct {
	*browser.Browser
	*world
	console string // its configuration
}

func watchPage(t *testing.T, doors, rights string) *watched {
	t.Helper()
	t.Parallel()
	labtest.Need(t, "browser", browser.Kinds[0])
	return watchGate(t, newGuarded(t, doors), rights)
}

// watchGate has the console serve the page of a gate that runs, and opens it.
func watchGate(t *testing.T, gate *world, rights string) *watched {
	t.Helper()
	seat(t)
	w := &watched{world: gate}
	w.console = filepath.Join(w.dir, "console.toml")
	text := fmt.Sprintf("[console]\nname = \"gate.example.org\"\nsocket = %q\nstate_dir = %q\nrun_dir = %q\n", w.socket, w.folder("console-state"), w.folder("console-run"))
	if rights == "admin" { // which has to be given by name
		text += "[[user]]\nname = \"alice\"\nrights = \"admin\"\n"
	}
	w.do(os.WriteFile(w.console, []byte(text), 0o600))
	w.serveConsole()
	b, err := browser.Start(context.Background(), w.Gate, browser.Kinds[0], browser.Options{Profile: t.TempDir()}) // on the gate: through a tunnel it is the same
	w.do(err)
	w.Browser = b
	t.Cleanup(func() { w.do(b.Close()) })
	w.logIn(rights)
	return w
}

func (w *watched) do(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *watched) folder(name string) string {
	path := filepath.Join(w.dir, name)
	w.do(os.MkdirAll(path, 0o700))
	return path
}

// serveConsole starts the console, and has it end with the test.
func (w *watched) serveConsole() {
	cmd := w.sallyport(w.Gate, "console", "-c", w.console)
	ctx, end := context.WithCancel(context.Background())
	self := cmd.Path
	run := w.Gate.Command(ctx, self, "console", "-c", w.console)
	run.Env = cmd.Env
	log := &lockedBuffer{}
	run.Stdout, run.Stderr = log, log
	w.do(run.Start())
	w.t.Cleanup(func() {
		end()
		_ = run.Wait() // it was killed
		if w.t.Failed() {
			w.t.Logf("the console's log:\n%s", log)
		}
	})
}

// logIn opens the link that the command prints.
func (w *watched) logIn(rights string) {
	w.t.Helper()
	var link string
	w.eventually("the console makes links", func() bool {
		out, _, status := w.run(w.Gate, "console", "login", "--user", "alice", "--rights", rights, "-c", w.console)
		link = strings.TrimSpace(out)
		return status == 0
	})
	w.do(w.Open("about:blank"))
	w.do(w.Open(link))
	w.has("[data-page=now] [data-state='state.closed'], [data-page=now] [data-state='state.open'], [data-page=now] [data-state='state.problems']")
	w.has(".pulse.on")
	var painted float64
	w.do(w.Eval("performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0", &painted))
	w.t.Logf("first content after %.0f ms", painted)
}

func (w *watched) has(selector string) {
	w.t.Helper()
	w.do(w.Wait(fmt.Sprintf("document.querySelector(%q)", selector)))
}

func (w *watched) count(selector string) (n int) {
	w.t.Helper()
	w.do(w.Eval(fmt.Sprintf("document.querySelectorAll(%q).length", selector), &n))
	return n
}

// rowOf is the row of a source among those who are in.
func rowOf(h *lab.Host) string {
	return fmt.Sprintf("[data-card=in] [data-row*='%s']", h.IP4)
}

// Notes when an event is in the list of the page, and when its source stands among those
// who are in.
const noteGrants = `(() => { const seen = self.seen = { event: 0, row: 0, time: 0 };
	self.noting?.disconnect();
	self.noting = new MutationObserver(() => {
		const e = document.querySelector('.events li[data-kind=grant] time');
		if (!seen.event && e && e.dateTime !== self.before) { seen.event = Date.now(); seen.time = Date.parse(e.dateTime); }
		if (!seen.row && document.querySelector('[data-card=in] [data-row]')) seen.row = Date.now();
	});
	self.before = document.querySelector('.events li[data-kind=grant] time')?.dateTime;
	self.noting.observe(document.body, { childList: true, subtree: true, characterData: true, attributes: true }); return 0; })()`

// Who has knocked is seen at once, with a countdown; what the page ends is over at once,
// with the connections that it had let in.
func TestConsoleSeesAndRevokes(t *testing.T) {
	w := watchPage(t, sshDoor, "act")
	rounds := 3
	if labtest.Long() {
		rounds = 20
	}
	var events, rows, cuts []time.Duration
	for range rounds {
		w.do(w.Eval(noteGrants, new(any)))
		w.closed(w.Client, "tcp", at(w.Client, 22))
		w.knock(w.Client, w.Client.Gate4, sshKnocks...)
		session := w.connect(w.Client, at(w.Client, 22))
		w.lives(session, "before")
		w.has(rowOf(w.Client))
		w.do(w.Wait("self.seen.event && self.seen.row"))
		var seen struct{ Event, Row, Time int64 }
		w.do(w.Eval("self.seen", &seen))
		events = append(events, time.Duration(seen.Event-seen.Time)*time.Millisecond)
		rows = append(rows, time.Duration(seen.Row-seen.Time)*time.Millisecond)

		w.do(w.Click(rowOf(w.Client) + " [data-act=revoke]"))
		w.has(rowOf(w.Client) + " button.danger")
		w.lives(session, "after the first tap")
		before := time.Now()
		w.do(w.Click(rowOf(w.Client) + " [data-act=revoke]"))
		session.SetDeadline(time.Now().Add(patience))
		if line, err := session.r.ReadString('\n'); err == nil {
			t.Fatalf("the session goes on: %q", line)
		}
		cuts = append(cuts, time.Since(before))
		w.closed(w.Client, "tcp", at(w.Client, 22))
		w.do(w.Wait(fmt.Sprintf("!document.querySelector(%q)", rowOf(w.Client))))
	}
	for what, list := range map[string][]time.Duration{"from the grant until the page shows the event": events, "until who is in": rows, "from the tap until the session is cut": cuts} {
		slices.Sort(list)
		t.Logf("%s: p50 %v, worst %v of %d", what, list[len(list)/2].Round(time.Millisecond), list[len(list)-1].Round(time.Millisecond), len(list))
	}
	if journal := w.must(w.Gate, "events", "--kind", "revocation", "-c", w.config); !strings.Contains(journal, "console says alice") && !strings.Contains(journal, "alice") {
		t.Errorf("the journal does not say who: %s", journal)
	}
}

// A viewer sees what there is, and nothing to act with.
func TestConsoleViewerSeesOnly(t *testing.T) {
	w := watchPage(t, sshDoor, "view")
	w.must(w.Gate, "open", "ssh", "--source", w.Client.IP4.String(), "--for", "1h", "-c", w.config)
	w.has(rowOf(w.Client))
	for _, page := range []string{"now", "doors", "clients", "bans"} {
		w.do(w.Eval(fmt.Sprintf("(location.hash = '#/%s', 0)", page), new(any)))
		w.has("[data-page=" + page + "] h1")
		w.do(w.Wait("!document.querySelector('.loading')"))
		if n := w.count("main [data-act=revoke], main [data-act=open], main [data-act=open-for], main [data-act=ban], main [data-act=unban], main [data-act=ack], main [data-act=approve]"); n > 0 {
			t.Errorf("%s: %d controls to act with", page, n)
		}
	}
	var empty []string // no list is null where it is empty
	w.do(w.Eval(`Promise.all(['status', 'findings', 'clients', 'doors', 'keys', 'lint', 'report', 'bans', 'asks', 'journal'].map((v) =>
		fetch('/v1/' + v, { headers: { 'Sallyport-Session': sessionStorage.getItem('session') } }).then((r) => r.text()).then((text) => v + ' ' + text))).then((all) => all.filter((a) => /:null/.test(a)))`, &empty))
	if len(empty) > 0 {
		t.Errorf("null in %q", empty)
	}
	var status int
	w.do(w.Eval(`fetch('/v1/revoke', { method: 'POST', headers: { 'Content-Type': 'application/json', 'Sallyport-Session': sessionStorage.getItem('session') }, body: '{"all":true}' }).then((r) => r.status)`, &status))
	if status != 403 {
		t.Errorf("who tries all the same gets %d", status)
	}
	w.open(w.Client, "tcp", at(w.Client, 22))
}

// Whatever ends behind the page, it says so, and goes on by itself.
func TestConsolePageRecovers(t *testing.T) {
	w := watchPage(t, sshDoor, "act")
	w.do(w.Eval("(self.same = true, 0)", new(any)))
	w.must(w.Gate, "open", "ssh", "--source", w.Client.IP4.String(), "--for", "1h", "-c", w.config)
	w.has(rowOf(w.Client))
	w.stop()
	w.has("#way .fault")
	w.do(w.Wait("document.querySelector('[data-state]').dataset.state === 'state.daemon'"))
	w.start()
	w.do(w.Wait("!document.querySelector('#way') && document.querySelector('.pulse.on') && document.querySelector('[data-state]').dataset.state === 'state.open'"))
	w.has(rowOf(w.Client))
	w.knock(w.Client, w.Client.Gate4, sshKnocks...)
	w.has(".events li[data-kind=grant]")
	w.do(w.Wait("self.same"))
}

// A real ssh session is over, for its client too, as soon as the page ends the grant that it came by.
func TestConsoleRevokesSSH(t *testing.T) {
	t.Parallel()
	labtest.Need(t, "browser", browser.Kinds[0])
	gate := newWorld(t, lab.Options{})
	ssh := gate.serveSSH()
	gate.configure(sshDoor)
	gate.start()
	w := watchGate(t, gate, "act")
	w.knock(w.Client, w.Client.Gate4, sshKnocks...)
	session := ssh("30", "echo in; exec sleep 600")
	out, err := session.StdoutPipe()
	w.do(err)
	session.Stderr = w.log
	w.do(session.Start())
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "in\n" {
		t.Fatalf("the session says %q, %v", line, err)
	}
	w.has(rowOf(w.Client))
	w.do(w.Click(rowOf(w.Client) + " [data-act=revoke]"))
	w.has(rowOf(w.Client) + " button.danger")
	before := time.Now()
	w.do(w.Click(rowOf(w.Client) + " [data-act=revoke]"))
	if err := session.Wait(); err == nil {
		t.Error("the session has ended well")
	}
	t.Logf("the client's ssh ends %v after the tap", time.Since(before).Round(time.Millisecond))
	w.eventually("the gate has no session any more", func() bool { return !w.established() })
	if out, err := ssh("1", "true").CombinedOutput(); err == nil {
		t.Errorf("ssh gets in again: %s", out)
	}
}

// Where the network to the console is cut, the page says to knock again, and goes on by itself when
// it is back: cut by resets, and in long tests by silence, as behind a closed door.
func TestConsoleBehindACutNetwork(t *testing.T) {
	labtest.Need(t, "peers", "nft")
	cuts := []string{"reject with tcp reset"}
	if labtest.Long() {
		cuts = append(cuts, "drop")
	}
	w := watchPage(t, sshDoor, "act")
	w.do(w.Eval("(self.same = true, 0)", new(any)))
	var port string
	w.do(w.Eval("location.port", &port))
	for i, cut := range cuts {
		w.nft("add table inet cut\nadd chain inet cut in { type filter hook input priority 0; }\nadd rule inet cut in tcp dport " + port + " " + cut)
		source := fmt.Sprintf("192.0.2.%d", 70+i)
		w.must(w.Gate, "open", "ssh", "--source", source, "--for", "1h", "-c", w.config) // something to hear of
		before := time.Now()
		w.do(w.Wait("document.querySelector('#way .fault')?.innerText.includes('knock again')"))
		said := time.Since(before)
		w.do(w.Wait("!document.querySelector('.pulse.on')"))
		w.nft("delete table inet cut")
		before = time.Now()
		w.do(w.Wait("!document.querySelector('#way') && document.querySelector('.pulse.on')"))
		w.has("[data-card=in] [data-row*='" + source + "']")
		t.Logf("%s: said after %v, and goes on %v after it is back", cut, said.Round(time.Millisecond), time.Since(before).Round(time.Millisecond))
	}
	w.do(w.Wait("self.same"))
}

// Who asks is shown to the operator, who types the code that the asker sees. Only then, and
// with no other code, the door is open for that address.
func TestConsoleApproves(t *testing.T) {
	t.Parallel()
	labtest.Need(t, "browser", browser.Kinds[0])
	c := newClientWorld(t, lab.Options{}, nil)
	text, err := os.ReadFile(c.config)
	if err != nil {
		t.Fatal(err)
	}
	c.configureWhole(strings.Replace(string(text), `doors = ["ssh"]`, `doors = ["attic"]`, 1) + "[[door]]\nname = \"attic\"\nports = [\"tcp/23\"]\n")
	c.must(c.Gate, "reload", "--force", "-c", c.config)
	w := watchGate(t, c.world, "act")
	code := c.asked("gate", "ssh")
	ask := fmt.Sprintf("[data-ask='%s'] ", c.asks(1)[0].ID)
	w.has(ask + "form")
	said := w.Text(ask)
	if !strings.Contains(said, "alice") || !strings.Contains(said, w.Client.IP4.String()) || strings.Contains(strings.ToUpper(said), strings.ToUpper(code)) {
		t.Errorf("of who asks the page says %q", said)
	}
	try := func(code string) {
		t.Helper()
		w.do(w.Eval(fmt.Sprintf("(document.querySelector(%q).value = %q, 0)", ask+"[name=code]", code), new(any)))
		w.do(w.Click(ask + "[data-act=approve]"))
	}
	try("222222")
	w.has(ask + ".fault")
	w.closed(w.Client, "tcp", at(w.Client, 22))
	try(strings.ToLower(code))
	w.do(w.Wait(fmt.Sprintf("!document.querySelector(%q)", ask+"form")))
	w.has(rowOf(w.Client))
	w.open(w.Client, "tcp", at(w.Client, 22))
	w.closed(w.Attacker, "tcp", at(w.Attacker, 22))
	w.ends(w.Client, "tcp", at(w.Client, 22))
}

// An administrator invites a device: the link that the page makes enrols it, and what it is
// given ends when the page removes it.
func TestConsoleInvites(t *testing.T) {
	w := watchPage(t, fmt.Sprintf("[spa]\nport = %d\nstun = true\n%s", spaPort, sshDoor), "admin")
	w.env = []string{"XDG_CONFIG_HOME=" + t.TempDir(), "HOME=" + t.TempDir()}
	w.do(w.Eval("(location.hash = '#/clients', 0)", new(any)))
	w.has("[data-card=invite] [name=door]")
	w.do(w.Eval(fmt.Sprintf("((f) => { f.elements.name.value = 'laptop'; f.elements.host.value = %q; f.elements.door.checked = true; return 0; })(document.querySelector('[data-card=invite] form'))", w.Client.Gate4), new(any)))
	w.do(w.Click("[data-act=invite]"))
	w.has("#invite-link, [data-card=invite] .fault")
	link := w.Text("#invite-link")
	w.has(".qr")
	w.must(w.Client, "join", link, "--yes", "--as", "gate")
	w.closed(w.Client, "tcp", at(w.Client, 22))
	w.must(w.Client, "knock", "gate")
	w.open(w.Client, "tcp", at(w.Client, 22))
	w.has("[data-row=laptop] [data-act=remove]")
	w.do(w.Click("[data-row=laptop] [data-act=remove]"))
	w.has("[data-row=laptop] button.danger")
	w.do(w.Click("[data-row=laptop] [data-act=remove]"))
	w.do(w.Wait("!document.querySelector('[data-row=laptop]')"))
	w.closed(w.Client, "tcp", at(w.Client, 22))
}
