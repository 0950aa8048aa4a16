//go:build linux

package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sallyport/internal/control"
	"sallyport/internal/event"
	"sallyport/internal/lab"
	"sallyport/internal/report"
)

// policy is the one that the console has.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; font-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"

// fixture stands for the console and the daemon behind it, and says what a test wants:
// what a real one says so often, or of such people, seldom.
type fixture struct {
	url    string
	rights string

	mu      sync.Mutex
	answers map[string]any    // by path
	asked   map[string]string // the latest body, by path
	readers map[chan string]bool
	last    int

	away  atomic.Bool // the daemon is
	flood atomic.Bool // 10,000 events a second
}

func newFixture(t *testing.T, h *lab.Host, rights string) *fixture {
	t.Helper()
	f := &fixture{rights: rights, answers: usual(), asked: make(map[string]string), readers: make(map[chan string]bool)}
	listener, err := h.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.url = "http://" + listener.Addr().String() + "/"
	mux := http.NewServeMux()
	mux.Handle("/", Handler())
	mux.HandleFunc("/session", f.session)
	mux.HandleFunc("GET /v1/events", f.events)
	mux.HandleFunc("/v1/", f.answer)
	mux.HandleFunc("/passkeys", f.answer)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		mux.ServeHTTP(w, r)
	})}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Close() })
	return f
}

func (f *fixture) session(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	var q struct{ Link string }
	switch {
	case r.Method == http.MethodPost && (json.NewDecoder(r.Body).Decode(&q) != nil || q.Link != "once"):
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `{"error":"this login link is used up, over or wrong","hint":"have another made: sallyport console login"}`)
	case r.Method != http.MethodPost && r.Header.Get("Sallyport-Session") != "token":
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"error":"there is no session, or it is over","ways":["link"]}`)
	case r.Method == http.MethodDelete:
		fmt.Fprint(w, `{}`)
	default:
		fmt.Fprintf(w, `{"session":"token","user":"alice","rights":%q,"gate":"gate.example.org","origin":"x","passkeys":false,"idle":1800,"address":"198.51.100.200"}`, f.rights)
	}
}

func (f *fixture) answer(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	f.mu.Lock()
	defer f.mu.Unlock()
	a, ok := f.answers[r.URL.Path]
	if r.Method == http.MethodPost {
		var body json.RawMessage
		_ = json.NewDecoder(r.Body).Decode(&body)
		f.asked[r.URL.Path] = string(body)
	}
	switch {
	case r.Header.Get("Sallyport-Session") != "token":
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"error":"there is no session, or it is over"}`)
	case f.away.Load():
		w.WriteHeader(http.StatusBadGateway)
		fmt.Fprint(w, `{"error":"the daemon does not answer"}`)
	case !ok:
		w.WriteHeader(http.StatusConflict)
		fmt.Fprintf(w, `{"error":"that cannot be done","hint":"do something else"}`)
	default:
		_ = json.NewEncoder(w).Encode(a)
	}
}

// set changes an answer, and notes that it is to be asked for again.
func (f *fixture) set(path string, a any, changes ...string) {
	f.mu.Lock()
	f.answers[path] = a
	f.mu.Unlock()
	f.notify(control.Notice{Changes: changes})
}

func (f *fixture) body(path string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked[path]
}

// notify sends a notice to all who listen.
func (f *fixture) notify(n control.Notice) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last++
	n.ID = fmt.Sprintf("run-%d", f.last)
	text := written(n)
	for r := range f.readers {
		r <- text
	}
}

func (f *fixture) happens(e event.Event) {
	h := control.Happened(e)
	f.notify(control.Notice{Event: &h})
}

func written(n control.Notice) string {
	data, err := json.Marshal(n)
	if err != nil {
		panic(err) // of our own making
	}
	return fmt.Sprintf("id: %s\ndata: %s\n\n", n.ID, data)
}

func (f *fixture) events(w http.ResponseWriter, r *http.Request) {
	if f.away.Load() {
		f.answer(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	reader := make(chan string, 1000)
	f.mu.Lock()
	f.readers[reader] = true
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.readers, reader)
	}()
	control := http.NewResponseController(w)
	fmt.Fprint(w, ":\n\n")
	_ = control.Flush()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ; {
		select {
		case text := <-reader:
			fmt.Fprint(w, text)
		case now := <-tick.C:
			if f.away.Load() {
				return
			}
			if !f.flood.Load() {
				continue
			}
			n += burst(w, n, now)
		case <-r.Context().Done():
			return
		}
		_ = control.Flush()
	}
}

// burst writes what comes in a twentieth of a second at 10,000 events a second.
func burst(w http.ResponseWriter, n int, now time.Time) int {
	const each = 500
	var b strings.Builder
	for i := range each {
		e := control.Happened(event.Event{Time: now, Kind: event.KindRefusal, Source: netip.AddrFrom4([4]byte{198, 18, byte(i), byte(n)}), Reason: event.WrongKnock, Detail: "after 2 of 4 knocks"})
		b.WriteString(written(control.Notice{ID: fmt.Sprintf("flood-%d", n+i), Event: &e}))
	}
	fmt.Fprint(w, b.String())
	return each
}

// hostile is a name as bad as one can be.
const hostile = "\u202emoc.live\u202c<img src=x onerror=\"document.title='owned'\">\x1b[31m'\"&{{}}" + "\u2066very\u2069"

// usual is what a gate says that has something of everything.
func usual() map[string]any {
	now := time.Now()
	long := hostile + strings.Repeat("long", 200)
	a := func(text string) netip.Addr { return netip.MustParseAddr(text) }
	grants := []event.Grant{
		{Door: "ssh", Source: a("198.51.100.23"), Client: "alice", Until: now.Add(52 * time.Second)},
		{Door: "web", Source: a("2001:db8:7:9f::1c2"), Client: "bob", Until: now.Add(14 * time.Minute), Prefix: 64},
		{Door: "vpn", Source: a("203.0.113.80"), Until: now.Add(3 * time.Hour), Single: true},
	}
	doors := []control.DoorState{
		{Name: "ssh", Label: "Secure shell", Ports: []string{"tcp/22"}, OpenFor: control.Duration(time.Minute), Ways: []string{"spa", "rotating"}, Clients: 4, Grants: 1, Dropped: 18233},
		{Name: "web", Ports: []string{"tcp/8443", "udp/8443"}, OpenFor: control.Duration(15 * time.Minute), Ways: []string{"spa"}, Hours: &control.Hours{Text: "Mon-Fri 08:00-18:00 Asia/Tokyo", Open: true, Until: now.Add(2 * time.Hour)}, Clients: 3, Grants: 1, Dropped: 912},
		{Name: "vpn", Ports: []string{"udp/51820"}, OpenFor: control.Duration(3 * time.Hour), Single: true, Ways: []string{"sequence"}, Sequence: &control.Secret{Changed: now.AddDate(0, 0, -120), Due: now.AddDate(0, 0, -30), Overdue: true}, Clients: 1, Grants: 1},
		{Name: "backup", Ports: []string{"tcp/873"}, OpenFor: control.Duration(10 * time.Minute), Ways: []string{"spa"}, Hours: &control.Hours{Text: "daily 02:00-04:00"}, Clients: 1},
	}
	findings := []event.Finding{
		{ID: "9c41e0", Rule: "interception", Severity: event.High, Source: a("192.0.2.66"), Client: "bob", First: now.Add(-40 * time.Minute), Last: now.Add(-3 * time.Minute), Count: 2, Explanation: `a message of client "bob" came again from 192.0.2.66: someone on the way has read it and sent it.`, Advice: "What that message had opened was closed, and the key is not lost. Find out from which network that client knocked, and do not trust it."},
		{ID: "1f20aa", Rule: "scan-slow", Severity: event.Low, Source: a("198.51.100.9"), First: now.Add(-30 * time.Hour), Last: now.Add(-50 * time.Minute), Count: 31, Explanation: "198.51.100.9 touches one closed port after the other, slowly enough to pass for noise: a patient port scan.", Advice: "Nothing is open to it; look whether the address turns up in other logs.", Evidence: []string{"tcp/23", "tcp/2323", "tcp/5900"}},
		{ID: "0badf0", Rule: "stranger", Severity: event.Medium, First: now.Add(-time.Hour), Last: now.Add(-20 * time.Minute), Count: 1, Client: hostile, Explanation: long, Advice: hostile, Evidence: []string{hostile, long}},
	}
	clients := []control.Client{
		{Name: "alice", Label: "Alice Moreau", Doors: []string{"ssh", "web"}, Ways: []string{"spa"}, Key: "ssh-ed25519 SHA256:Zk3p0nJ8hXo1dQyqR2s5v4t7w9y", Grants: 1, Last: &control.LastUse{Time: now.Add(-8 * time.Second), Door: "ssh", Source: a("198.51.100.23"), Reason: event.BySPA}},
		{Name: "bob", Doors: []string{"web"}, Ways: []string{"spa", "rotating"}, Rotating: &control.Secret{Changed: now.AddDate(0, 0, -12), Due: now.AddDate(0, 0, 78)}, Grants: 1, Expires: now.AddDate(0, 3, 0), Last: &control.LastUse{Time: now.Add(-time.Minute), Door: "web", Source: a("2001:db8:7:9f::1c2"), Reason: event.ByRotating}},
		{Name: "erin", Label: "佐藤 恵里（開発）", Doors: []string{"ssh", "backup"}, Ways: []string{"rotating"}, Rotating: &control.Secret{Changed: now.AddDate(-1, 0, 0), Overdue: true}, Hours: &control.Hours{Text: "Mon-Fri 08:00-18:00"}, Last: &control.LastUse{Time: now.AddDate(0, 0, -41), Door: "ssh", Source: a("203.0.113.5"), Reason: event.ByRotating}},
		{Name: hostile, Label: long, Doors: []string{hostile, "ssh"}, Ways: []string{"spa"}, Key: hostile},
	}
	refusals := map[event.Reason]uint64{event.WrongKnock: 512, event.Replayed: 3, event.BadTag: 88421, event.Scanner: 1200}
	return map[string]any{
		"/v1/status": control.Status{Version: "1.4.0", Config: "/etc/sallyport/sallyport.toml", Started: now.Add(-40 * time.Hour), Policy: "doors", Closed: "drop",
			Doors: []control.Door{{Name: "ssh", Ports: []string{"tcp/22"}}, {Name: "web"}, {Name: "vpn"}, {Name: "backup"}}, Grants: grants, Labels: map[string]string{"alice": "Alice Moreau"}, Refusals: refusals, Dropped: 184220, Capture: map[string]control.Ring{}, Problems: []string{}},
		"/v1/findings": control.FindingsAnswer{Findings: findings},
		"/v1/doors":    control.DoorsAnswer{Doors: doors},
		"/v1/clients":  control.ClientsAnswer{Clients: clients},
		"/v1/bans":     []event.Ban{{Source: netip.MustParsePrefix("192.0.2.66/32"), Until: now.Add(50 * time.Minute)}, {Source: netip.MustParsePrefix("2001:db8:dead:beef::/64"), Until: now.Add(26 * time.Hour)}},
		"/v1/keys":     control.KeysAnswer{Keys: []control.ServerKey{{Suite: "mlkem768-x25519", Fingerprint: "SHA256:0d2Jx9s8uQw"}, {Suite: "x25519", Fingerprint: "SHA256:8hXo1dQyqR2", Previous: "SHA256:Zk3p0nJ8hXo", PreviousUntil: now.AddDate(0, 0, 9)}}},
		"/v1/lint": control.LintAnswer{At: now.Add(-20 * time.Second), Notes: []string{}, Problems: []control.LintProblem{
			{Rule: "sequence-short", Severity: "warning", File: "/etc/sallyport/sallyport.toml", Line: 31, Text: `door "vpn": a sequence of 3 knocks can be guessed`, Remedy: "use at least five, or SPA"}}},
		"/v1/report":  report.Summary{Host: "gate", Since: now.AddDate(0, 0, -7), Until: now, Grants: 363, Renewals: 12, Used: 322, Refusals: refusals, Packets: 35735, Noisy: 1010, Findings: findings[:2], Advice: []string{`The sequence of door "vpn" is from July and was to be changed by October: sallyport door rotate vpn`, hostile}, Doors: []report.UseSummary{{Name: "ssh", Label: "Secure shell", Grants: 240, Refusals: 31, Last: now.Add(-8 * time.Second)}, {Name: "backup"}}, Clients: []report.UseSummary{{Name: "alice", Label: "Alice Moreau", Grants: 200, Refusals: 2, Last: now.Add(-time.Minute)}, {Name: hostile}}},
		"/v1/journal": control.JournalAnswer{Entries: past(now)},
		"/v1/asks":    map[string]any{"asks": []any{}},
		"/v1/why":     map[string]any{"target": "192.0.2.66", "grants": []any{}, "reasons": []any{map[string]any{"kind": "refusal", "reason": "replay", "count": 2, "last": now.Add(-time.Hour), "meaning": "x"}}, "events": past(now)[:8]},
		"/v1/revoke":  control.RevokeAnswer{Grants: grants[:1], Cut: 1},
		"/v1/ack":     findings[0], "/v1/ban": map[string]any{}, "/v1/unban": map[string]any{}, "/v1/open": grants[0], "/v1/confirm": map[string]any{},
		"/v1/approve": map[string]any{"source": "198.51.100.77", "door": "ssh", "until": now.Add(time.Minute)}, "/v1/refuse": map[string]any{},
	}
}

// past is an hour of a gate.
func past(now time.Time) (list []control.JournalEntry) {
	reasons := []event.Reason{event.WrongKnock, event.BadTag, event.Replayed, event.Scanner, event.OutOfHours}
	for i := range 240 {
		e := event.Event{Time: now.Add(time.Duration(i-240) * 15 * time.Second), Kind: event.KindContacts, Source: netip.AddrFrom4([4]byte{198, 18, byte(i), byte(i * 7)}), Detail: "closed ports"}
		e.Count.Packets = uint64(3 + i*i%97)
		switch {
		case i%17 == 3:
			e = event.Event{Time: e.Time, Kind: event.KindGrant, Door: "ssh", Client: "alice", Source: netip.MustParseAddr("198.51.100.23"), Reason: event.BySPA}
		case i%5 == 1:
			e = event.Event{Time: e.Time, Kind: event.KindRefusal, Door: "vpn", Source: e.Source, Reason: reasons[i/5%len(reasons)], Detail: "after 2 of 4 knocks"}
			e.Count.Packets = uint64(1 + i%40)
		case i == 238:
			e = event.Event{Time: e.Time, Kind: event.KindEnrolment, Client: hostile, Door: hostile, Detail: hostile}
		}
		list = append(list, control.JournalEntry{ID: int64(i + 1), Happening: control.Happened(e)})
	}
	return list
}
