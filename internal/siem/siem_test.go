package siem

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sallyport/internal/event"
)

var (
	product = Product{Version: "v1", Host: "gate"}
	at      = time.Date(2026, 3, 1, 12, 0, 0, 250e6, time.UTC)
	alice   = netip.MustParseAddr("192.0.2.10")
	finding = event.Finding{
		ID: "f1", Rule: "near-miss", Severity: event.High, Source: alice, First: at.Add(-time.Minute), Last: at, Count: 3,
		Explanation: "Someone knows part of a secret.", Advice: "Rotate it.", Evidence: []string{"after 4 right knocks of 5"},
	}
)

var kinds = []event.Kind{
	event.KindGrant, event.KindRefusal, event.KindExpiry, event.KindRevocation, event.KindRepair, event.KindReload, event.KindStart, event.KindStop,
	event.KindOverload, event.KindClock, event.KindKey, event.KindFailure, event.KindUse, event.KindContacts, event.KindBan, event.KindLogin, event.KindFinding,
}

func happened(k event.Kind) event.Event {
	e := event.Event{Time: at, Kind: k, Door: "ssh", Client: "alice", Source: alice, Reason: event.BySPA, Detail: "for 30s"}
	if k == event.KindFinding {
		e.Finding = &finding
	}
	return e
}

// decoded writes an event and reads it as anybody would.
func decoded(t *testing.T, f Format, e event.Event) map[string]any {
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
		v := decoded(t, OCSF, happened(k))
		class, activity := path(v, "class_uid").(float64), path(v, "activity_id").(float64)
		for _, required := range []string{"category_uid", "severity_id", "time", "type_uid", "metadata", "message"} {
			if v[required] == nil || v[required] == 0.0 {
				t.Errorf("%s: no %s", k, required)
			}
		}
		if v["type_uid"] != class*100+activity || v["category_uid"] != float64(int(class)/1000) || activity == 0 {
			t.Errorf("%s: class %v, activity %v, type %v, category %v", k, class, activity, v["type_uid"], v["category_uid"])
		}
		if path(v, "metadata", "product", "version") != "v1" || path(v, "unmapped", "kind") != string(k) {
			t.Errorf("%s: %v", k, v)
		}
		source, who := involved(v)
		if source != "192.0.2.10" || who != "alice" {
			t.Errorf("%s: %v by %v in %v", k, source, who, v)
		}
	}
	f := decoded(t, OCSF, happened(event.KindFinding))
	if f["class_uid"] != 2004.0 || f["severity_id"] != 4.0 || f["count"] != 3.0 || path(f, "finding_info", "uid") != "f1" ||
		path(f, "remediation", "desc") != "Rotate it." || path(f, "finding_info", "last_seen_time") != float64(at.UnixMilli()) {
		t.Errorf("%v", f)
	}
	if got, _ := json.Marshal(f["evidences"]); string(got) != `[{"data":["after 4 right knocks of 5"],"dst_endpoint":{"hostname":"gate","svc_name":"ssh"},"src_endpoint":{"ip":"192.0.2.10"},"user":{"name":"alice"}}]` {
		t.Errorf("the evidence is %s", got)
	}
	if r := decoded(t, OCSF, happened(event.KindRefusal)); r["disposition_id"] != 2.0 || r["time"] != float64(at.UnixMilli()) {
		t.Errorf("%v", r)
	}
}

// involved returns source and client from where the class of an event has them.
func involved(v map[string]any) (source, who any) {
	switch v["class_uid"] {
	case 2004.0:
		first := v["evidences"].([]any)[0]
		return path(first, "src_endpoint", "ip"), path(first, "user", "name")
	case 3002.0:
		return path(v, "src_endpoint", "ip"), path(v, "user", "name")
	case 4001.0:
		return path(v, "src_endpoint", "ip"), path(v, "actor", "user", "name")
	}
	return path(v, "unmapped", "source"), path(v, "unmapped", "client")
}

// Whatever an event lacks, its class has the attributes that the schema asks
// for, and none that it does not know.
func TestAttributesOfOCSF(t *testing.T) {
	common := "activity_id activity_name category_uid class_uid type_uid severity_id status_id time count message metadata device unmapped is_alert disposition_id action_id actor"
	classes := map[float64]struct{ required, more string }{
		2004: {"", "finding_info evidences remediation"},
		3002: {"user dst_endpoint", "src_endpoint"},
		4001: {"dst_endpoint", "src_endpoint"},
		6002: {"app", ""},
		6008: {"", ""},
	}
	for _, k := range kinds {
		for _, e := range []event.Event{happened(k), {Time: at, Kind: k}} {
			for _, p := range []Product{product, {}} {
				line, err := Append(nil, OCSF, p, e)
				var v map[string]any
				if err == nil {
					err = json.Unmarshal(line, &v)
				}
				class, ok := classes[v["class_uid"].(float64)]
				if err != nil || !ok {
					t.Fatalf("%s: %v: %s", k, err, line)
				}
				for name := range strings.FieldsSeq(class.required) {
					if m, _ := v[name].(map[string]any); len(m) == 0 {
						t.Errorf("%s: no %s: %s", k, name, line)
					}
				}
				for name := range v {
					if !slices.Contains(strings.Fields(common+" "+class.required+" "+class.more), name) {
						t.Errorf("%s: class %v has no %s", k, v["class_uid"], name)
					}
				}
			}
		}
	}
}

// The end of a ban keeps nobody out.
func TestEndOfABan(t *testing.T) {
	e := happened(event.KindBan)
	e.Ended = true
	if v := decoded(t, OCSF, e); v["activity_id"] != 2.0 || v["disposition_id"] != nil || v["status_id"] != 1.0 {
		t.Errorf("%v", v)
	}
	if v := decoded(t, ECS, e); path(v, "event", "outcome") != "success" || path(v, "event", "type").([]any)[0] != "end" {
		t.Errorf("%v", v)
	}
}

func TestECS(t *testing.T) {
	for _, k := range kinds {
		v := decoded(t, ECS, happened(k))
		if path(v, "event", "category") == nil || path(v, "event", "type") == nil || path(v, "event", "action") != string(k) ||
			v["@timestamp"] != "2026-03-01T12:00:00.25Z" || path(v, "source", "ip") != "192.0.2.10" || path(v, "host", "name") != "gate" {
			t.Errorf("%s: %v", k, v)
		}
	}
	f := decoded(t, ECS, happened(event.KindFinding))
	if path(f, "event", "kind") != "alert" || path(f, "rule", "name") != "near-miss" || path(f, "event", "severity") != 4.0 || path(f, "sallyport", "count") != 3.0 {
		t.Errorf("%v", f)
	}
}

func TestHostileText(t *testing.T) {
	e := happened(event.KindRefusal)
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
		line, err := Append(nil, f, Product{}, event.Event{Time: at, Kind: event.KindStart})
		if err != nil || strings.Contains(string(line), "invalid IP") || strings.Contains(string(line), `""`) {
			t.Errorf("%s: %s, %v", f, line, err)
		}
		if _, err := Append(nil, f, Product{}, event.Event{Kind: event.KindFinding}); err != nil {
			t.Errorf("a finding without anything: %v", err)
		}
	}
	if _, err := Append(nil, "cef", product, happened(event.KindGrant)); err == nil {
		t.Error("an unknown format was written")
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, f := range Formats {
		b.Run(string(f), func(b *testing.B) {
			var line []byte
			for b.Loop() {
				line, _ = Append(line[:0], f, product, happened(event.KindGrant))
			}
		})
	}
}
