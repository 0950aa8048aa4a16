package config

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"

	"sallyport/internal/packet"
	"sallyport/internal/phrase"
)

// Change is how one thing differs between two configurations. It holds no
// secret.
type Change struct {
	What string   `json:"what"` // "door", "group", "client", "hook", "webhook" or the name of a section
	Name string   `json:"name,omitempty"`
	How  string   `json:"how"`            // "added", "removed" or "changed"
	Keys []string `json:"keys,omitempty"` // what is different, such as `open_for 30s -> 1m`
}

// Compare reports how the configuration to differs from from: sections, doors,
// groups, clients, each in the order of the files, removed ones last. It looks at
// every field of a Config, so that no section can be left out.
func Compare(from, to *Config) []Change {
	var list []Change
	a, b := reflect.ValueOf(*from), reflect.ValueOf(*to)
	for i := range a.NumField() {
		name, x, y := snake(a.Type().Field(i).Name), a.Field(i), b.Field(i)
		switch {
		case x.Kind() == reflect.Struct:
			if keys := differences(x.Interface(), y.Interface()); len(keys) > 0 {
				list = append(list, Change{What: name, How: "changed", Keys: keys})
			}
		case x.Kind() != reflect.Slice: // the path of the main file
		case hasName(x.Type().Elem()):
			list = append(list, compare(strings.TrimSuffix(name, "s"), x, y)...)
		case !same(x, y):
			list = append(list, Change{What: name, How: "changed"})
		}
	}
	return list
}

func hasName(t reflect.Type) bool {
	_, ok := t.FieldByName("Name")
	return ok
}

// same reports whether two lists of structs hold the same, in the same order.
func same(a, b reflect.Value) bool {
	if a.Len() != b.Len() {
		return false
	}
	for i := range a.Len() {
		if len(differences(a.Index(i).Interface(), b.Index(i).Interface())) > 0 {
			return false
		}
	}
	return true
}

// compare compares two lists of structs that have names.
func compare(what string, from, to reflect.Value) []Change {
	var list []Change
	name := func(v reflect.Value) string { return v.FieldByName("Name").String() }
	old := make(map[string]reflect.Value, from.Len())
	for i := range from.Len() {
		old[name(from.Index(i))] = from.Index(i)
	}
	for i := range to.Len() {
		t := to.Index(i)
		before, had := old[name(t)]
		delete(old, name(t))
		if !had {
			list = append(list, Change{What: what, Name: name(t), How: "added"})
		} else if keys := differences(before.Interface(), t.Interface()); len(keys) > 0 {
			list = append(list, Change{What: what, Name: name(t), How: "changed", Keys: keys})
		}
	}
	for i := range from.Len() {
		if n := name(from.Index(i)); old[n].IsValid() {
			list = append(list, Change{What: what, Name: n, How: "removed"})
		}
	}
	return list
}

// openFields names the fields that a person may see, as the configuration calls them.
// Of all others only the name is told: a sequence and a key are nobody's
// business.
var openFields = map[string]string{
	"Ports": "ports", "Label": "label", "OpenFor": "open_for", "Single": "single", "To": "to", "Widen4": "widen4", "Widen6": "widen6", "Polled": "polled", "Doors": "doors",
	"MaxOpen": "max_open", "Most": "max_grants", "Expires": "expires", "Policy": "policy", "Public": "public", "Closed": "closed",
	"Interfaces": "interfaces", "Trusted": "trusted", "Port": "port", "ClockSkew": "clock_skew", "Ack": "ack", "RequireBound": "require_bound",
	"FwknopPort": "fwknop_port", "FwknopOtherSource": "fwknop_other_source",
}

// secretFields are the names of further fields in the configuration, where they
// differ from those here by more than case.
var secretFields = map[string]string{"OneTime": "sequences_file", "Previous": "sequence_previous", "ServerKey": "server_key", "AuthorizedKeys": "authorized_keys"}

// differences lists the fields in which two structs of the same type differ.
// Where they stand in the files does not matter.
func differences(a, b any) []string {
	x, y := reflect.ValueOf(a), reflect.ValueOf(b)
	if x.Kind() != reflect.Struct {
		return nil
	}
	var list []string
	for i := range x.NumField() {
		field := x.Type().Field(i).Name
		if !x.Type().Field(i).IsExported() || field == "Place" || equal(x.Field(i).Interface(), y.Field(i).Interface()) {
			continue
		}
		if key, ok := openFields[field]; ok {
			list = append(list, fmt.Sprintf("%s %s -> %s", key, show(x.Field(i)), show(y.Field(i))))
		} else if key, ok = secretFields[field]; ok {
			list = append(list, key)
		} else {
			list = append(list, snake(field))
		}
	}
	return list
}

// equal compares two values. Places and what is not exported do not count,
// unless the type itself says what is equal.
func equal(a, b any) bool {
	switch a := a.(type) {
	case Hours:
		return a.Equal(b.(Hours))
	case Zone:
		return a.Equal(b.(Zone))
	case []OneTime:
		return slices.EqualFunc(a, b.([]OneTime), func(a, b OneTime) bool { return slices.Equal(a.Knocks, b.Knocks) })
	}
	x, y := reflect.ValueOf(a), reflect.ValueOf(b)
	if x.IsValid() && y.IsValid() && x.Kind() == reflect.Slice && x.Len() == 0 && y.Len() == 0 {
		return true
	}
	return reflect.DeepEqual(a, b)
}

func show(v reflect.Value) string {
	if t, ok := v.Interface().(time.Time); ok && t.IsZero() {
		return "never"
	}
	if ports, ok := v.Interface().([]packet.Port); ok {
		return fmt.Sprint(packet.Spell(ports))
	}
	if v.Kind() == reflect.String {
		return fmt.Sprintf("%q", v.String())
	}
	if d, ok := v.Interface().(time.Duration); ok {
		return phrase.Duration(d)
	}
	return fmt.Sprint(v.Interface())
}

// snake writes RotationDue as rotation_due.
func snake(s string) string {
	var out []byte
	for i := range len(s) {
		c := s[i]
		if c >= 'A' && c <= 'Z' {
			if i > 0 && (s[i-1] < 'A' || s[i-1] > 'Z') {
				out = append(out, '_')
			}
			c += 'a' - 'A'
		}
		out = append(out, c)
	}
	return string(out)
}

// Closes reports whether a port of this host is closed but for grants.
func (c *Config) Closes(p packet.Port) bool {
	if c.Gate.Policy == PolicyAll {
		return !slices.Contains(c.Gate.Public, p)
	}
	return c.DoorAt(p) != nil
}

// DoorAt returns the door that has a port, or nil.
func (c *Config) DoorAt(p packet.Port) *Door {
	for i := range c.Doors {
		if slices.Contains(c.Doors[i].Ports, p) {
			return &c.Doors[i]
		}
	}
	return nil
}

// Trusts reports whether a source is never gated.
func (c *Config) Trusts(source netip.Addr) bool {
	source = source.Unmap().WithZone("")
	return source.IsLoopback() || slices.ContainsFunc(c.Gate.Trusted, func(t netip.Prefix) bool { return t.Contains(source) })
}

// WayIn reports how a source can reach a port of this host in the long run,
// grants aside; "" says that it cannot.
func (c *Config) WayIn(source netip.Addr, p packet.Port, now time.Time) string {
	source = source.Unmap().WithZone("")
	if !c.Closes(p) {
		return "the port is open to everybody"
	}
	if c.Trusts(source) {
		return "the source is never gated"
	}
	door := c.DoorAt(p)
	if door == nil {
		return ""
	}
	if len(door.Sequence) > 0 || len(door.OneTime) > 0 {
		return fmt.Sprintf("door %q has a sequence", door.Name)
	}
	for _, g := range c.Groups {
		if len(g.Sequence) > 0 && slices.Contains(g.Doors, door.Name) {
			return fmt.Sprintf("group %q has a sequence", g.Name)
		}
	}
	for _, client := range c.Clients {
		if c.SPA.Knocks(&client) && slices.Contains(client.Doors, door.Name) && client.From.Allows(source) && (client.Expires.IsZero() || now.Before(client.Expires)) {
			return fmt.Sprintf("client %q can open door %q", client.Name, door.Name)
		}
	}
	return ""
}
