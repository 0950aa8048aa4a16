package siem

import (
	"encoding/json"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/internal/event"
)

// schema is a part of the schema that Elastic publishes: the fields that we use. The
// file says where it is from.
type schema struct {
	Fields map[string]struct {
		Type      string
		Normalize []string
		Most      int `json:"ignore_above"`
		Allowed   []struct {
			Name  string
			Types []string `json:"expected_event_types"`
		} `json:"allowed_values"`
	}
}

// Every event, with everything that it may have and with nothing, is one of ECS: each
// field is there, of its type, among its values, and the types of an event are those of
// its category. Our own fields are below our own name.
func TestECSAgainstItsSchema(t *testing.T) {
	text, err := os.ReadFile("testdata/ecs.json")
	if err != nil {
		t.Fatal(err)
	}
	var s schema
	if err := json.Unmarshal(text, &s); err != nil || len(s.Fields) < 20 {
		t.Fatal(err, len(s.Fields))
	}
	for _, k := range event.Kinds() {
		for _, e := range []event.Event{happened(k), {Time: at, Kind: k}, {Time: at, Kind: k, Ended: true, Reason: event.LoginFailed}} {
			s.check(t, k, "", decoded(t, ECS, e))
		}
	}
}

func (s schema) check(t *testing.T, k event.Kind, path string, v any) {
	t.Helper()
	if path == "sallyport" {
		return
	}
	if nested, ok := v.(map[string]any); ok {
		for name, value := range nested {
			s.check(t, k, strings.TrimPrefix(path+"."+name, "."), value)
		}
		if path == "event" {
			s.checkTypes(t, k, nested)
		}
		return
	}
	f, ok := s.Fields[path]
	if !ok {
		t.Errorf("%s: %s is no field of ECS", k, path)
		return
	}
	values, isList := v.([]any)
	if isList != slices.Contains(f.Normalize, "array") {
		t.Errorf("%s: %s is a list: %v", k, path, isList)
	}
	if !isList {
		values = []any{v}
	}
	for _, one := range values {
		if !fits(f.Type, one) {
			t.Errorf("%s: %s = %v is no %s", k, path, one, f.Type)
		}
		known := len(f.Allowed) == 0
		for _, a := range f.Allowed {
			known = known || a.Name == one
		}
		if !known {
			t.Errorf("%s: %s = %v is not among its values", k, path, one)
		}
	}
}

// checkTypes checks that the types of an event are among those of its categories.
func (s schema) checkTypes(t *testing.T, k event.Kind, e map[string]any) {
	t.Helper()
	for _, category := range e["category"].([]any) {
		for _, a := range s.Fields["event.category"].Allowed {
			if a.Name != category {
				continue
			}
			for _, kind := range e["type"].([]any) {
				if !slices.Contains(a.Types, kind.(string)) {
					t.Errorf("%s: an event of %s has no type %s", k, category, kind)
				}
			}
		}
	}
}

func fits(kind string, v any) bool {
	text, isText := v.(string)
	switch kind {
	case "date":
		_, err := time.Parse(time.RFC3339Nano, text)
		return isText && err == nil
	case "ip":
		_, err := netip.ParseAddr(text)
		return isText && err == nil
	case "long":
		n, ok := v.(float64)
		return ok && n == float64(int64(n))
	}
	return isText
}
