package report

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sallyport/internal/columns"
	"sallyport/internal/config"
	"sallyport/internal/event"
	"sallyport/internal/lang"
)

var monday = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// demo is a week of a small company: working days, a scan that comes back, a
// key that someone else has, a client who is not let in.
func demo(l lang.Lang) *Report {
	until := monday.AddDate(0, 0, 7)
	r := New(Subject{
		Host: "gate.example.org", Version: "1.0.0", Lang: l, Since: monday, Until: until,
		Doors: []Named{{"ssh", ""}, {"wiki", "社内ウィキ"}, {"db", ""}, {"backup", ""}}, Clients: []Named{{"alice", "営業部 田中のノート"}, {"bob", "Bob's phone"}, {"carol", ""}, {"dave", ""}, {"erin", ""}},
		Overdue:     []config.Overdue{{Door: "wiki", Changed: time.Date(2025, 11, 3, 0, 0, 0, 0, time.UTC), Due: time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)}},
		RotationDue: 90 * 24 * time.Hour,
		Findings: []event.Finding{
			{ID: "9c41e0", Rule: "interception", Severity: event.Critical, Source: netip.MustParseAddr("198.51.100.77"), Client: "bob", Door: "ssh",
				First: monday.Add(75 * time.Hour), Last: monday.Add(75*time.Hour + 4*time.Minute), Count: 3,
				Explanation: "A message that client bob had used came again from another address: someone on the way reads what bob sends.",
				Advice:      "Ask bob which network that was, and keep out of it; the key itself is not lost.",
				Evidence:    []string{"first from 192.0.2.44 at 12:00:01, again from 198.51.100.77 at 12:00:03"}},
			{ID: "17aa02", Rule: "scan-slow", Severity: event.Medium, Source: netip.MustParseAddr("203.0.113.9"), First: monday.Add(20 * time.Hour), Last: monday.Add(140 * time.Hour), Count: 412,
				Explanation: "203.0.113.9 touches a few closed ports every hour, for five days.", Advice: "Nothing opens to a scan. If the address is of a partner, ask there.", Evidence: []string{"412 ports in 120 hours"}},
			{ID: "5e0b71", Rule: "opened-never-used", Severity: event.Low, Door: "backup", First: monday, Last: monday, Count: 1, Explanation: "Door backup was opened 14 times and never used.", Advice: "Look whether the service behind it runs."},
		},
	})
	random := rand.New(rand.NewPCG(1, 2))
	for t := monday; t.Before(until); t = t.Add(10 * time.Minute) {
		hour := float64(t.Hour()) + float64(t.Minute())/60
		busy := math.Exp(-(hour-13)*(hour-13)/18) * 1.4
		if t.Weekday() == time.Saturday || t.Weekday() == time.Sunday {
			busy /= 8
		}
		for i, client := range []string{"alice", "bob", "carol"} {
			if random.Float64() > busy/float64(i+2) {
				continue
			}
			source := netip.AddrFrom4([4]byte{192, 0, 2, byte(40 + i)})
			door := []string{"ssh", "ssh", "wiki", "db"}[random.IntN(4)]
			r.Add(event.Event{Time: t, Kind: event.KindGrant, Door: door, Client: client, Source: source, Reason: event.BySPA})
			if random.IntN(10) > 0 {
				r.Add(event.Event{Time: t, Kind: event.KindUse, Door: door, Client: client, Source: source, Detail: "first connection, to tcp/22"})
			}
		}
		noise := func(kind event.Kind, reason event.Reason, source netip.Addr, n, ports int) {
			r.Add(event.Event{Time: t, Kind: kind, Reason: reason, Source: source, Count: event.Contacts{Packets: uint64(n), Ports: uint32(ports), First: t, Last: t}})
		}
		anybody := netip.AddrFrom4([4]byte{byte(random.IntN(200) + 20), byte(random.IntN(256)), byte(random.IntN(256)), byte(random.IntN(256))})
		noise(event.KindContacts, "", anybody, 3+random.IntN(30), 1+random.IntN(9))
		if random.IntN(5) == 0 {
			noise(event.KindRefusal, []event.Reason{event.BadTag, event.WrongKnock, event.BadLength, event.WrongKnock}[random.IntN(4)], anybody, 1+random.IntN(4), 0)
		}
		if since := t.Sub(monday); since > 52*time.Hour && since < 55*time.Hour {
			noise(event.KindContacts, "", netip.MustParseAddr("203.0.113.200"), 900+random.IntN(400), 700)
			noise(event.KindRefusal, event.Scanner, netip.MustParseAddr("203.0.113.200"), 20+random.IntN(10), 0)
		}
		if t.Hour() == 9 && t.Minute() == 0 {
			r.Add(event.Event{Time: t, Kind: event.KindRefusal, Client: "dave", Door: "ssh", Source: netip.MustParseAddr("2001:db8:7::51"), Reason: event.KeyExpired})
		}
	}
	r.Add(event.Event{Time: monday.Add(80 * time.Hour), Kind: event.KindRepair, Detail: "the firewall table had been removed and was put back"})
	return r
}

func printed(t *testing.T, r *Report) (html, text string) {
	t.Helper()
	var h, p strings.Builder
	if err := r.HTML(&h); err != nil {
		t.Fatal(err)
	}
	if err := r.Text(&p); err != nil {
		t.Fatal(err)
	}
	return h.String(), p.String()
}

// With -artifacts, the pages are kept for looking at.
func TestDemo(t *testing.T) {
	dir := t.ArtifactDir()
	for _, l := range []lang.Lang{lang.English, lang.Japanese} {
		html, text := printed(t, demo(l))
		for name, content := range map[string]string{"report-" + l.Tag() + ".html": html, "report-" + l.Tag() + ".txt": text} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want := []string{"gate.example.org", "key-expired", "203.0.113.200", "alice", "営業部 田中のノート", "sallyport door rotate wiki", "firewall table had been removed"}
		if l == lang.English {
			want = append(want, "someone on the way reads what bob sends")
		}
		for _, want := range want {
			if !strings.Contains(html, want) {
				t.Errorf("the page has no %q", want)
			}
			if !strings.Contains(strings.Join(strings.Fields(text), " "), want) {
				t.Errorf("the text has no %q", want)
			}
		}
		for i, line := range strings.Split(text, "\n") {
			if columns.Width(line) > 100 {
				t.Errorf("line %d of the text is %d cells wide: %q", i+1, columns.Width(line), line)
			}
		}
	}
}

func TestAdvice(t *testing.T) {
	for l, list := range map[lang.Lang][]string{
		lang.English: {`Client &#34;dave&#34; was refused 7 times and never let in (key-expired)`, "Not seen in this time: client erin", "Opened for nobody in this time: door backup",
			"The sequence of door &#34;wiki&#34; is from 2025-11-03 and was to be changed by 2026-02-01"},
		lang.Japanese: {`クライアント &#34;dave&#34; は 7 回拒否され、一度も許可されていません（key-expired）。引き続き認めるなら`, "この期間に一度も来ていません: クライアント erin",
			"ドア &#34;wiki&#34; のシーケンスは 2025-11-03 (月) のもので、2026-02-01 (日) までに"},
	} {
		html, _ := printed(t, demo(l))
		for _, want := range list {
			if !strings.Contains(html, want) {
				t.Errorf("%s: there is no advice %q", l, want)
			}
		}
	}
}

// Programs read the same whatever the language.
func TestSummaryIsEnglish(t *testing.T) {
	english, japanese := demo(lang.English).Summary(), demo(lang.Japanese).Summary()
	if diff := cmp.Diff(english, japanese, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Error(diff)
	}
}

// What many findings advise is one thing to do; a week without anything says so.
func TestAdviceIsGivenOnce(t *testing.T) {
	s := Subject{Since: monday, Until: monday.Add(time.Hour)}
	for i := range 30 {
		s.Findings = append(s.Findings, event.Finding{ID: fmt.Sprint("f", i), Severity: event.High, Explanation: "x", Advice: "Change the sequence."})
	}
	if got := New(s).Advice(); len(got) != 1 || !strings.HasPrefix(got[0], "Change the sequence. (findings f0, f1, ") || !strings.Contains(got[0], "22 more: sallyport findings ack f0, once") {
		t.Errorf("%q", got)
	}
	_, text := printed(t, New(Subject{Since: monday, Until: monday.Add(time.Hour)}))
	if strings.Count(text, "None.") != 4 || strings.Contains(text, "REASON") {
		t.Errorf("an empty report:\n%s", text)
	}
}

func TestPageNeedsNothingElse(t *testing.T) {
	html, _ := printed(t, demo(lang.English))
	for _, bad := range []string{"<script", "http://", "https://", "src=", "@import", "url(", "<link", "<iframe"} {
		if strings.Contains(html, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	if !strings.Contains(html, `content="default-src 'none'; style-src 'unsafe-inline'`) {
		t.Error("the page has no policy")
	}
}

var hostileTexts = []string{"<script>document.title='pwned'</script>", `"><img src=x onerror=alert(1)>`, "{{.}}", "</style><script>", "javascript:alert(1)",
	"\x1b[2J\x1b]0;pwned\a", "\u202egnp.exe", "\u009b31m", "a\r\nb", "\xff\xfe", "'; DROP TABLE events; --", strings.Repeat("A", 5000)}

// hostile has an attacker's text wherever one could be.
func hostile() *Report {
	var s Subject
	s.Since, s.Until = monday, monday.Add(time.Hour)
	for i, text := range hostileTexts {
		s.Host += text
		s.Version += text
		s.Overdue = append(s.Overdue, config.Overdue{Door: text})
		s.Doors = append(s.Doors, Named{text, text})
		s.Findings = append(s.Findings, event.Finding{ID: text, Rule: text, Severity: event.Severity(text), Door: text, Client: text, Explanation: text, Advice: text,
			Evidence: []string{text}, Source: netip.AddrFrom4([4]byte{1, 2, 3, byte(i)}), Count: 1})
	}
	r := New(s)
	for i, text := range hostileTexts {
		source := netip.AddrFrom16([16]byte{0xfe, 0x80, 15: byte(i)}).WithZone("<b>")
		for _, kind := range []event.Kind{event.KindGrant, event.KindRefusal, event.KindFailure, event.KindUse, event.Kind(text)} {
			r.Add(event.Event{Time: monday, Kind: kind, Door: text, Client: text, Source: source, Reason: event.Reason(text), Detail: text})
		}
	}
	return r
}

func TestHostileStringsAreInert(t *testing.T) {
	html, text := printed(t, hostile())
	for name, out := range map[string]string{"page": html, "text": text} {
		for _, r := range out {
			if r != '\n' && !strconv.IsPrint(r) {
				t.Errorf("the %s prints %q", name, r)
				break
			}
		}
	}
	for _, tag := range regexp.MustCompile(`<[a-zA-Z/!][^ >]*`).FindAllString(html, -1) {
		switch strings.Trim(tag, "</>") {
		case "script", "img", "b>", "iframe":
			t.Errorf("the page has an element %q", tag)
		}
	}
	if strings.Count(html, "<style>") != 1 || strings.Contains(html, "onerror=alert(1)>") {
		t.Error("an attacker's text has become part of the page")
	}
}

func TestMemoryIsBounded(t *testing.T) {
	r := New(Subject{Since: monday, Until: monday.Add(time.Hour)})
	for i := range 3 * maxSources {
		e := event.Event{Time: monday, Kind: event.KindRefusal, Reason: event.BadTag, Source: netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})}
		if i%100 == 0 {
			e.Door, e.Client = fmt.Sprint("door", i), fmt.Sprint("client", i)
		}
		r.Add(e)
	}
	if len(r.sources) > maxSources || len(r.doors) > maxWords || len(r.clients) > maxWords {
		t.Errorf("%d sources, %d doors, %d clients", len(r.sources), len(r.doors), len(r.clients))
	}
	if r.Refusals != 3*maxSources {
		t.Errorf("counted %d", r.Refusals)
	}
}

func TestBuckets(t *testing.T) {
	r := New(Subject{Since: monday, Until: monday.Add(buckets * time.Hour)})
	for _, at := range []time.Duration{-time.Hour, 0, 59 * time.Minute, time.Hour, buckets*time.Hour - 1, buckets * time.Hour, 1000 * time.Hour} {
		r.Add(event.Event{Time: monday.Add(at), Kind: event.KindGrant})
		r.Add(event.Event{Time: monday.Add(at), Kind: event.KindExpiry})
	}
	if r.Opened[0] != 2 || r.Opened[1] != 1 || r.Opened[buckets-1] != 2 || r.Opened.Max() != 2 {
		t.Errorf("%v", r.Opened)
	}
}

// Nothing happened, or the time makes no sense: there is a page all the same.
func TestEmpty(t *testing.T) {
	for _, until := range []time.Time{{}, monday, monday.Add(time.Hour), monday.AddDate(50, 0, 0)} {
		html, text := printed(t, New(Subject{Since: monday, Until: until}))
		if !strings.Contains(html, "Nothing to do.") || !strings.Contains(text, "Nothing to do.") || strings.Contains(html, "NaN") {
			t.Errorf("until %v:\n%s", until, text)
		}
	}
}

// A client that keeps a door open asks for it again and again, and connects once:
// that is one grant, which was used. The next one, after its end, is another.
func TestRenewalsAreNoGrants(t *testing.T) {
	r := New(Subject{Since: monday, Until: monday.Add(time.Hour)})
	add := func(minute int, kind event.Kind, client string) {
		r.Add(event.Event{Time: monday.Add(time.Duration(minute) * time.Minute), Kind: kind, Client: client, Door: "ssh", Source: netip.MustParseAddr("192.0.2.7")})
	}
	for minute := range 20 {
		add(minute, event.KindGrant, "alice")
		if minute == 1 || minute == 15 {
			add(minute, event.KindUse, "alice")
		}
	}
	if r.Grants != 1 || r.Renewals != 19 || r.Uses != 1 || strings.Contains(strings.Join(r.Advice(), "\n"), "never used") {
		t.Errorf("%d grants, %d renewals, %d used; %q", r.Grants, r.Renewals, r.Uses, r.Advice())
	}
	add(21, event.KindGrant, "bob")
	add(22, event.KindExpiry, "alice")
	add(23, event.KindGrant, "alice")
	if s := r.Summary(); s.Grants != 3 || s.Used != 1 || s.Renewals != 19 || !s.Clients[0].Last.Equal(monday.Add(23*time.Minute)) {
		t.Errorf("%+v", s)
	}
	if got := strings.Join(r.Advice(), "\n"); !strings.Contains(got, "2 of 3 grants were never used") {
		t.Error(got)
	}
}

// The report says who still comes with fwknop, how often and when last.
func TestWhoStillUsesFwknop(t *testing.T) {
	r := New(Subject{Since: monday, Until: monday.Add(time.Hour)})
	for i, reason := range []event.Reason{event.ByFwknop, event.ByFwknop, event.BySPA} {
		r.Add(event.Event{Time: monday.Add(time.Duration(i) * time.Minute), Kind: event.KindGrant, Reason: reason, Client: "carol", Door: "ssh"})
	}
	want := `Client "carol" still knocks with fwknop: 2 times, the last at ` + r.Stamp(monday.Add(time.Minute))
	if got := strings.Join(r.Advice(), "\n"); !strings.Contains(got, want) {
		t.Errorf("got %s, want %s", got, want)
	}
	if c := r.Summary().Clients; len(c) != 1 || c[0].Fwknop != 2 || !c[0].LastFwknop.Equal(monday.Add(time.Minute)) {
		t.Errorf("%+v", c)
	}
}
