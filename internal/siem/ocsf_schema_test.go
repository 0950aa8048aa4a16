package siem

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"

	"sallyport/internal/event"
)

// attribute is what the schema says of an attribute: in its dictionary, and more closely where
// a class, a profile or an object has it.
type attribute struct {
	Type        string
	IsArray     bool `json:"is_array"`
	Requirement string
	Enum        []string
	Sibling     string // has the word for it where the value is 99, "Other"
}

// part is a class, a profile or an object.
type part struct {
	UID        int
	Extends    string
	Attributes map[string]attribute
	AtLeastOne []string `json:"at_least_one"`
}

// ocsfSchema is a part of the schema that OCSF publishes. The file says where it is from.
type ocsfSchema struct {
	Dictionary struct {
		Attributes map[string]attribute
		Types      map[string]struct {
			Type string
			Most int `json:"max_len"`
		}
	}
	Events, Profiles, Objects map[string]part
}

func readOCSF(t *testing.T) (s ocsfSchema) {
	t.Helper()
	text, err := os.ReadFile("testdata/ocsf.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &s); err != nil || len(s.Dictionary.Attributes) < 30 || len(s.Events) < 10 || len(s.Objects) < 10 {
		t.Fatal(err, len(s.Dictionary.Attributes), len(s.Events), len(s.Objects))
	}
	return s
}

// Every event, with everything that it may have and with nothing, is one of OCSF: what its
// class requires is there, each attribute is known there, of its type and among its values, and whatever is
// "Other" is named beside it.
func TestOCSFAgainstItsSchema(t *testing.T) {
	s := readOCSF(t)
	for _, k := range event.Kinds() {
		for _, e := range []event.Event{happened(k), {Time: at, Kind: k}, {Time: at, Kind: k, Ended: true, Reason: event.LoginFailed}} {
			for _, wrong := range s.wrong(decoded(t, OCSF, e)) {
				t.Errorf("%s: %s", k, wrong)
			}
		}
	}
}

// The test above finds what is wrong with an event.
func TestSchemaOfOCSFRefuses(t *testing.T) {
	s := readOCSF(t)
	for what, change := range map[string]func(map[string]any){
		"a required attribute is missing": func(v map[string]any) { delete(v, "severity_id") },
		"one in an object is missing":     func(v map[string]any) { delete(v["metadata"].(map[string]any), "version") },
		"an attribute of another class":   func(v map[string]any) { v["finding_info"] = map[string]any{"uid": "1"} },
		"one that nobody knows":           func(v map[string]any) { v["door"] = "ssh" },
		"a value that is none":            func(v map[string]any) { v["activity_id"], v["type_uid"] = 8.0, 400108.0 },
		"another type":                    func(v map[string]any) { v["time"] = "now" },
		"no address":                      func(v map[string]any) { v["src_endpoint"].(map[string]any)["ip"] = "alice" },
		"an object that is a text":        func(v map[string]any) { v["device"] = "gate" },
		"an object without what names it": func(v map[string]any) { v["src_endpoint"] = map[string]any{} },
		"a list that is none":             func(v map[string]any) { v["metadata"].(map[string]any)["profiles"] = "host" },
		"a profile that is not named":     func(v map[string]any) { v["metadata"].(map[string]any)["profiles"] = []any{"host"} },
		"neither end":                     func(v map[string]any) { delete(v, "src_endpoint"); delete(v, "dst_endpoint") },
		"another type of event":           func(v map[string]any) { v["type_uid"] = 400102.0 },
		"other, without a word for it":    func(v map[string]any) { v["activity_id"], v["type_uid"] = 99.0, 400199.0 },
	} {
		v := decoded(t, OCSF, happened(event.KindGrant))
		if wrong := s.wrong(v); len(wrong) > 0 {
			t.Fatal(wrong)
		}
		change(v)
		if len(s.wrong(v)) == 0 {
			t.Errorf("nothing is wrong where %s", what)
		}
	}
}

// wrong lists what is wrong with an event.
func (s ocsfSchema) wrong(v map[string]any) (list []string) {
	for name, class := range s.Events {
		if float64(class.UID) != v["class_uid"] {
			continue
		}
		c := s.whole(s.Events, name)
		profiles, _ := path(v, "metadata", "profiles").([]any)
		for _, p := range profiles {
			if profile, ok := s.Profiles[fmt.Sprint(p)]; ok {
				c.refine(profile.Attributes)
			} else {
				list = append(list, fmt.Sprintf("no profile is %v", p))
			}
		}
		activity, _ := v["activity_id"].(float64)
		if v["type_uid"] != float64(class.UID*100)+activity || v["category_uid"] != float64(class.UID/1000) {
			list = append(list, fmt.Sprintf("type %v and category %v of class %d", v["type_uid"], v["category_uid"], class.UID))
		}
		return append(list, s.object(name, c, v)...)
	}
	return []string{fmt.Sprintf("no class is %v", v["class_uid"])}
}

// whole is a class or an object with all that it inherits.
func (s ocsfSchema) whole(all map[string]part, name string) part {
	p := all[name]
	if p.Extends == "" {
		return part{Attributes: maps.Clone(p.Attributes), AtLeastOne: p.AtLeastOne}
	}
	w := s.whole(all, p.Extends)
	w.refine(p.Attributes)
	if p.AtLeastOne != nil {
		w.AtLeastOne = p.AtLeastOne
	}
	return w
}

// refine adds attributes, or what is said of them more closely.
func (p part) refine(more map[string]attribute) {
	for name, a := range more {
		p.Attributes[name] = p.Attributes[name].with(a)
	}
}

func (a attribute) with(more attribute) attribute {
	if more.Type != "" {
		a.Type = more.Type
	}
	if more.Requirement != "" {
		a.Requirement = more.Requirement
	}
	a.Enum = slices.Concat(a.Enum, more.Enum)
	return a
}

func (s ocsfSchema) object(where string, p part, v map[string]any) (list []string) {
	for name, a := range p.Attributes {
		if _, ok := v[name]; !ok && a.Requirement == "required" {
			list = append(list, fmt.Sprintf("%s has no %s", where, name))
		}
	}
	if len(p.AtLeastOne) > 0 && !slices.ContainsFunc(p.AtLeastOne, func(name string) bool { return v[name] != nil }) {
		list = append(list, fmt.Sprintf("%s has none of %v", where, p.AtLeastOne))
	}
	for name, value := range v {
		here, ok := p.Attributes[name]
		if !ok {
			list = append(list, fmt.Sprintf("%s knows no %s", where, name))
			continue
		}
		a := s.Dictionary.Attributes[name].with(here)
		if value == 99.0 && a.Sibling != "" && v[a.Sibling] == nil {
			list = append(list, fmt.Sprintf("%s.%s is other, and no %s says what", where, name, a.Sibling))
		}
		list = append(list, s.value(where+"."+name, a, value)...)
	}
	return list
}

func (s ocsfSchema) value(where string, a attribute, v any) (list []string) {
	values, isList := v.([]any)
	switch {
	case a.Type == "json_t":
		return nil
	case isList != a.IsArray:
		return []string{fmt.Sprintf("%s is a list: %v", where, isList)}
	case !isList:
		values = []any{v}
	}
	for _, one := range values {
		if len(a.Enum) > 0 && !slices.Contains(a.Enum, fmt.Sprint(one)) {
			list = append(list, fmt.Sprintf("%s = %v is not among its values", where, one))
		}
		nested, isObject := one.(map[string]any)
		if _, known := s.Objects[a.Type]; known && isObject {
			list = append(list, s.object(where, s.whole(s.Objects, a.Type), nested)...)
		} else if !s.fits(a.Type, one) {
			list = append(list, fmt.Sprintf("%s = %v is no %s", where, one, a.Type))
		}
	}
	return list
}

func (s ocsfSchema) fits(kind string, v any) bool {
	text, isText := v.(string)
	most := s.Dictionary.Types[kind].Most
	if isText && most > 0 && len(text) > most {
		return false
	}
	base := kind
	if t := s.Dictionary.Types[kind].Type; t != "" {
		base = t
	}
	switch {
	case kind == "object": // of our own words
		_, ok := v.(map[string]any)
		return ok
	case kind == "ip_t":
		return fits("ip", v)
	case base == "boolean_t":
		_, ok := v.(bool)
		return ok
	case base == "integer_t", base == "long_t":
		return fits("long", v)
	}
	return base == "string_t" && isText && text != ""
}
