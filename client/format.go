package client

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"sallyport/internal/key"
)

// The text form of a profile: this line, then one "key = value" a line, in the
// order of the table below. Nothing is quoted or escaped, and a profile has
// only one text, so that whatever is accepted means what it seems to.
const firstLine = "# sallyport profile v1: keep this to yourself"

// maxProfile is more than any profile needs: the key has 1,670 characters.
const maxProfile = 16 << 10

// field is a line of a profile.
type field struct {
	key      string
	required bool
	want     string
	get      func(*Profile) string
	set      func(*Profile, string) error
}

var errValue = errors.New("wrong value")

var fields = []field{
	{"name", true, wantName,
		func(p *Profile) string { return p.Name },
		func(p *Profile, v string) error { p.Name = v; return check(validName(v)) }},
	{"host", true, "the name or address of the server",
		func(p *Profile) string { return p.Host },
		func(p *Profile, v string) error { p.Host = v; return check(validHost(v)) }},
	{"port", false, "a UDP port, 1 to 65535",
		portText,
		func(p *Profile, v string) (err error) { p.Port, err = parsePort(v); return err }},
	{"server_key", false, "the public key that the server prints",
		func(p *Profile) string { return p.ServerKey },
		func(p *Profile, v string) error { p.ServerKey = v; _, err := key.ParsePublic(v); return err }},
	{"doors", false, "door names with a comma and a space between them, such as ssh, db",
		func(p *Profile) string { return strings.Join(p.Doors, ", ") },
		func(p *Profile, v string) error { p.Doors = strings.Split(v, ", "); return checkDoors(p.Doors) }},
	{"identity", false, "the fingerprint of an SSH key (ssh-keygen -l prints it), or the path of a private key",
		func(p *Profile) string { return p.Identity },
		func(p *Profile, v string) error { p.Identity = v; return check(printable(v)) }},
	{"bind", false, `"local", or at most one address a family, with a comma and a space between them`,
		bindText, setBind},
	{"skew", false, "a time in whole seconds of 10s to 600s, such as 60s",
		skewText, setSkew},
	{"rotating", false, "the secret that the server prints, 32 characters or more",
		rotatingText, setRotating},
	{"shape", false, "that of the server's rotating sequences, such as 5 tcp 1024-32767",
		shapeText, setShape},
	{"gate", false, wantName,
		func(p *Profile) string { return p.Gate },
		func(p *Profile, v string) error { p.Gate = v; return check(validName(v)) }},
}

// ParseProfile reads what Marshal writes, and nothing else. The errors say
// where the mistake is, and what would be right.
func ParseProfile(text []byte) (*Profile, error) {
	p, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("read the profile: %w", err)
	}
	return p, nil
}

func parse(text []byte) (*Profile, error) {
	if len(text) > maxProfile {
		return nil, fmt.Errorf("%d bytes are too many: is this a profile?", len(text))
	}
	if bytes.ContainsRune(text, '\r') {
		return nil, errors.New("the lines end as on Windows: save the file with Unix line ends")
	}
	lines := strings.Split(string(text), "\n")
	if lines[0] != firstLine {
		return nil, fmt.Errorf("line 1: want %q", firstLine)
	}
	if lines[len(lines)-1] != "" {
		return nil, fmt.Errorf("line %d: the last line has no end: it may have been cut off", len(lines))
	}
	p, last := &Profile{}, -1
	for i, line := range lines[1 : len(lines)-1] {
		at, err := p.parseLine(line, last)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+2, err)
		}
		last = at
	}
	for _, f := range fields {
		if f.required && f.get(p) == "" {
			return nil, missing(f)
		}
	}
	return p, p.complete()
}

// parseLine reads a line that holds a field after the last one, and returns
// which.
func (p *Profile) parseLine(line string, last int) (at int, err error) {
	name, value, ok := strings.Cut(line, " = ")
	if !ok {
		return 0, fmt.Errorf("%s: want KEY = VALUE", quoted(line))
	}
	at = slices.IndexFunc(fields, func(f field) bool { return f.key == name })
	switch {
	case at < 0:
		return 0, fmt.Errorf("%s is not a key: want one of %s", quoted(name), keys())
	case at == last:
		return 0, fmt.Errorf("%q stands there twice", name)
	case at < last:
		return 0, fmt.Errorf("%q has to stand before %q: the order is %s", name, fields[last].key, keys())
	}
	f := fields[at]
	if err := f.set(p, value); errors.Is(err, errValue) || err == nil && f.get(p) != value {
		return 0, fmt.Errorf("%s = %s: want %s", name, quoted(value), f.want)
	} else if err != nil {
		return 0, fmt.Errorf("%s: %w: copy it again from the server (sallyport client profile)", name, err)
	}
	return at, nil
}

// missing is the error for a field that may not be left out.
func missing(f field) error { return fmt.Errorf("%s is missing: want %s", f.key, f.want) }

func keys() string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.key
	}
	return strings.Join(names, ", ")
}

// Marshal writes the profile as text. Only of a valid profile (see Validate)
// is that something ParseProfile reads.
func (p *Profile) Marshal() []byte {
	text := []byte(firstLine + "\n")
	for _, f := range fields {
		if value := f.get(p); f.required || value != "" {
			text = fmt.Appendf(text, "%s = %s\n", f.key, value)
		}
	}
	return text
}

// Validate says what is wrong with a profile that a program made.
func (p *Profile) Validate() error {
	read, err := parse(p.Marshal())
	if err != nil {
		return fmt.Errorf("check the profile %q: %w", p.Name, err)
	}
	for _, f := range fields { // a line end in a value would begin another field
		if f.get(read) != f.get(p) {
			return fmt.Errorf("check the profile %q: %s = %s: want %s", p.Name, f.key, quoted(f.get(p)), f.want)
		}
	}
	return nil
}

// check makes the error for a value that is not what its field wants.
func check(ok bool) error {
	if !ok {
		return errValue
	}
	return nil
}

// validHost accepts what can be a name or an address, so that nothing else
// ever reaches a resolver, or a command line as an option.
func validHost(host string) bool {
	if len(host) < 1 || len(host) > 255 || host[0] == '-' || host[0] == '.' {
		return false
	}
	for _, c := range host {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune(".-_:%", c) {
			return false
		}
	}
	if strings.ContainsAny(host, ":%") {
		_, err := netip.ParseAddr(host)
		return err == nil
	}
	return true
}

func checkDoors(doors []string) error {
	seen := map[string]bool{}
	for _, d := range doors {
		if !validName(d) || seen[d] {
			return errValue
		}
		seen[d] = true
	}
	return nil
}

func portText(p *Profile) string {
	if p.Port == 0 {
		return ""
	}
	return strconv.Itoa(int(p.Port))
}

func parsePort(v string) (uint16, error) {
	n, err := strconv.ParseUint(v, 10, 16)
	return uint16(n), check(err == nil && n != 0)
}

func bindText(p *Profile) string {
	if p.BindLocal {
		return "local"
	}
	list := make([]string, len(p.Bind))
	for i, a := range p.Bind {
		list[i] = a.String()
	}
	return strings.Join(list, ", ")
}

func setBind(p *Profile, v string) error {
	if p.BindLocal = v == "local"; p.BindLocal {
		return nil
	}
	for text := range strings.SplitSeq(v, ", ") {
		a, err := netip.ParseAddr(text)
		if err != nil || a.Zone() != "" || a.Is4In6() || a.IsUnspecified() || bindFor(p, a).IsValid() {
			return errValue
		}
		p.Bind = append(p.Bind, a)
	}
	return nil
}

// bindFor returns the address that messages to a server's address are bound
// to, or the zero address if the profile names none of that family.
func bindFor(p *Profile, server netip.Addr) netip.Addr {
	for _, a := range p.Bind {
		if a.Is4() == server.Unmap().Is4() {
			return a
		}
	}
	return netip.Addr{}
}

func skewText(p *Profile) string {
	if p.Skew == 0 {
		return ""
	}
	return strconv.FormatInt(int64(p.Skew/time.Second), 10) + "s"
}

func setSkew(p *Profile, v string) error {
	n, err := strconv.ParseUint(strings.TrimSuffix(v, "s"), 10, 16)
	p.Skew = time.Duration(n) * time.Second
	return check(err == nil && n >= 10 && n <= 600)
}

func printable(v string) bool {
	if v == "" || strings.TrimSpace(v) != v || !utf8.ValidString(v) {
		return false
	}
	return strings.IndexFunc(v, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}

// quoted shows a value of a profile, but not much of it.
func quoted(s string) string {
	if len(s) > 60 {
		return fmt.Sprintf("%q…", s[:57])
	}
	return strconv.Quote(s)
}

// CheckHost says what is wrong with a text that should be the name or address
// of a server, for a person.
func CheckHost(host string) error {
	switch {
	case validHost(host):
		return nil
	case strings.Contains(host, "://"):
		return errors.New("this is an address of the web: want the name or address alone, such as gate.example.org")
	case strings.HasPrefix(host, "["):
		return errors.New("want an IPv6 address without brackets and port, such as 2001:db8::7")
	case strings.Count(host, ":") == 1:
		return errors.New("want the name or address without a port: profiles have the port of the server")
	case strings.ContainsFunc(host, func(r rune) bool { return r > 127 }):
		return errors.New("want plain ASCII letters and digits; other names have a form that begins with xn-- (idn2 prints it)")
	}
	return errors.New("want the name or address of the server, such as gate.example.org or 2001:db8::7")
}
