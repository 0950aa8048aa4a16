package siem

import (
	"encoding/json"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"sallyport/internal/gate"
)

var (
	product = Product{Version: "v1", Host: "gate"}
	at      = time.Date(2026, 3, 1, 12, 0, 0, 250e6, time.UTC)
	alice   = netip.MustParseAddr("192.0.2.10")
	finding = gate.Finding{
		ID: "f1", Rule: "near-miss", Severity: gate.High, Source: alice, First: at.Add(-time.Minute), Last: at, Count: 3,
		Explanation: "Somebody knows part of a secret.", Advice: "Rotate it.", Evidence: []string{"after 4 right knocks of 5"},
	}
)

var kinds = []gate.Kind{
	gate.KindGrant, gate.KindRefusal, gate.KindExpiry, gate.KindRevocation, gate.KindRepair, gate.KindReload, gate.KindStart, gate.KindStop,
	gate.KindOverload, gate.KindClock, gate.KindKey, gate.KindFailure, gate.KindUse, gate.KindContacts, gate.KindBan, gate.KindFinding,
}

func event(k gate.Kind) gate.Event {
	e := gate.Event{Time: at, Kind: k, Door: "ssh", Client: "alice", Source: alice, Reason: gate.BySPA, Detail: "for 30s"}
	if k == gate.KindFinding {
		e.Finding = &finding
	}
	return e
}

// decoded writes an event and reads it as anybody would.
func decoded(t *testing.T, f Format, e gate.Event) map[string]any {
	t.Helper()
	line, err := Append([]byte("x"), f, product, e)
	if err != nil {
		t.Fatal(err)
	}
	if line[0] != 'x' || strings.ContainsAny(string(line), "\n\x1b") {
		t.Errorf("%q is not one inert line", line)
	}
	var v map[string]any
	if err := json.Unmarshal(line[1:], &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// at follows names through nested objects.
func path(v any, names ...string) any {
	for _, n := range names {
		m, _ := v.(map[string]any)
		v = m[n]
	}
	return v
}

func TestOCSF(t *testing.T) {
	for _, k := range kinds {
		v := decoded(t, OCSF, event(k))
		class, activity := path(v, "class_uid").(float64), path(v, "activity_id").(float64)
		for _, required := range []string{"category_uid", "severity_id", "time", "type_uid", "metadata", "message"} {
			if v[required] == nil || v[required] == 0.0 {
				t.Errorf("%s: no %s", k, required)
			}
		}
		if v["type_uid"] != class*100+activity || v["category_uid"] != float64(int(class)/1000) || activity == 0 {
			t.Errorf("%s: class %v, activity %v, type %v, category %v", k, class, activity, v["type_uid"], v["category_uid"])
		}
		if path(v, "metadata", "product", "version") != "v1" || path(v, "src_endpoint", "ip") != "192.0.2.10" || path(v, "actor", "user", "name") != "alice" || path(v, "unmapped", "kind") != string(k) {
			t.Errorf("%s: %v", k, v)
		}
	}
	f := decoded(t, OCSF, event(gate.KindFinding))
	if f["class_uid"] != 2004.0 || f["severity_id"] != 4.0 || f["count"] != 3.0 || path(f, "finding_info", "uid") != "f1" ||
		path(f, "remediation", "desc") != "Rotate it." || path(f, "finding_info", "last_seen_time") != float64(at.UnixMilli()) {
		t.Errorf("%v", f)
	}
	if r := decoded(t, OCSF, event(gate.KindRefusal)); r["disposition_id"] != 2.0 || r["time"] != float64(at.UnixMilli()) {
		t.Errorf("%v", r)
	}
}

func TestECS(t *testing.T) {
	for _, k := range kinds {
		v := decoded(t, ECS, event(k))
		if path(v, "event", "category") == nil || path(v, "event", "type") == nil || path(v, "event", "action") != string(k) ||
			v["@timestamp"] != "2026-03-01T12:00:00.25Z" || path(v, "source", "ip") != "192.0.2.10" || path(v, "host", "name") != "gate" {
			t.Errorf("%s: %v", k, v)
		}
	}
	f := decoded(t, ECS, event(gate.KindFinding))
	if path(f, "event", "kind") != "alert" || path(f, "rule", "name") != "near-miss" || path(f, "event", "severity") != 4.0 || path(f, "sallyport", "count") != 3.0 {
		t.Errorf("%v", f)
	}
}

func TestHostileText(t *testing.T) {
	e := event(gate.KindRefusal)
	e.Client, e.Detail = "a\"},{\x1b[2J", "x\n{\"kind\":\"grant\"}</script>\xff\u2028"
	e.Door = "\u009b\u202e\U000e0001"
	for _, f := range Formats {
		if got := decoded(t, f, e); f == JSON && got["door"] != e.Door {
			t.Errorf("the door came back as %q", got["door"])
		}
		line, _ := Append(nil, f, product, e)
		if strings.ContainsFunc(string(line), func(r rune) bool { return !strconv.IsPrint(r) }) {
			t.Errorf("%s: %q", f, line)
		}
	}
}

func TestWhatIsUnknownIsLeftOut(t *testing.T) {
	for _, f := range []Format{OCSF, ECS} {
		line, err := Append(nil, f, Product{}, gate.Event{Time: at, Kind: gate.KindStart})
		if err != nil || strings.Contains(string(line), "invalid IP") || strings.Contains(string(line), `""`) {
			t.Errorf("%s: %s, %v", f, line, err)
		}
		if _, err := Append(nil, f, Product{}, gate.Event{Kind: gate.KindFinding}); err != nil {
			t.Errorf("a finding without anything: %v", err)
		}
	}
	if _, err := Append(nil, "cef", product, event(gate.KindGrant)); err == nil {
		t.Error("an unknown format was written")
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, f := range Formats {
		b.Run(string(f), func(b *testing.B) {
			var line []byte
			for b.Loop() {
				line, _ = Append(line[:0], f, product, event(gate.KindGrant))
			}
		})
	}
}
