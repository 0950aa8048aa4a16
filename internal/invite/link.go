// Package invite holds the link by which an invite is handed over: docs/PROTOCOL.md,
// section 14.
package invite

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"sallyport/internal/key"
)

// SeedSize is the size of an invite: the seed of an Ed25519 key.
const SeedSize = 32

// Link is what a device needs to know to enrol itself. It is as secret as its seed.
type Link struct {
	Hosts     []netip.Addr // at least one
	Port      uint16
	ServerKey key.Public // suite x25519
	Seed      []byte
	Doors     []Door
	Name      string    // of the new client; may be empty
	Gate      string    // its name in rotating sequences; empty: it has none
	Shape     string    // of rotating sequences, such as "5 tcp 1024-32767"; empty: no secret is given
	Issued    time.Time // whole seconds
	Skew      time.Duration
}

// Door is a door of a link.
type Door struct {
	Name    string
	Open    time.Duration // how long it usually stays open; 0: not known
	Service string        // address of what is behind it; may be empty
}

const (
	scheme = "sallyport"
	usual  = time.Minute // of the skew
	most   = 4096        // characters of a link

	earliest = 1_600_000_000 // no link is older than the program, so a time that is has lost its end
)

// Text returns the link, to be opened behind the address of a page and "#", or given to
// sallyport join.
func (l Link) Text() string {
	names, seconds, services := make([]string, len(l.Doors)), make([]string, len(l.Doors)), make([]string, len(l.Doors))
	for i, d := range l.Doors {
		names[i], seconds[i], services[i] = d.Name, strconv.Itoa(int(d.Open/time.Second)), d.Service
	}
	q := url.Values{
		"d": {strings.Join(names, ",")}, "i": {base64.RawURLEncoding.EncodeToString(l.Seed)}, "k": {l.ServerKey.Text()},
		"o": {strings.Join(seconds, ",")}, "p": {strconv.Itoa(int(l.Port))}, "t": {strconv.FormatInt(l.Issued.Unix(), 10)},
	}
	for _, a := range l.Hosts[1:] {
		q.Add("h", a.String())
	}
	for name, text := range map[string]string{"g": l.Gate, "n": l.Name, "r": strings.ReplaceAll(l.Shape, " ", ",")} {
		if text != "" {
			q.Set(name, text)
		}
	}
	if strings.Join(services, "") != "" {
		q["w"] = services
	}
	if l.Skew != usual {
		q.Set("z", strconv.Itoa(int(l.Skew/time.Second)))
	}
	host := l.Hosts[0].String()
	if l.Hosts[0].Is6() {
		host = "[" + host + "]"
	}
	return scheme + "://" + host + "?" + q.Encode()
}

// Errors that a user can do something about.
var (
	ErrNoLink       = errors.New("that is no link of an invite: it begins with sallyport://, alone or behind the address of a page and #")
	ErrNoInvite     = errors.New("this link holds no invite")
	ErrOtherVersion = errors.New("this link was made by another version of Sallyport, and this one does not understand it")
	ErrDamaged      = errors.New("this link is damaged: a part of it is missing, or was changed on the way")
)

// Parse reads a link, alone or behind the address of a page. What it does not know is an
// error: a device that leaves out a part enrols as something else than was meant.
func Parse(text string) (Link, error) {
	text = strings.TrimSpace(text)
	at := strings.Index(text, scheme+"://")
	if at < 0 || at > 0 && text[at-1] != '#' {
		return Link{}, ErrNoLink
	}
	if len(text)-at > most {
		return Link{}, ErrDamaged
	}
	u, err := url.Parse(text[at:])
	if err != nil || u.Path != "" || u.Fragment != "" || u.User != nil {
		return Link{}, ErrDamaged
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return Link{}, ErrDamaged
	}
	for name := range q {
		if !strings.Contains("dghiknoprtwz", name) || len(name) != 1 {
			return Link{}, fmt.Errorf("%w (%q)", ErrOtherVersion, name)
		}
	}
	if !q.Has("i") {
		return Link{}, ErrNoInvite
	}
	return parse(u.Hostname(), q)
}

func parse(host string, q url.Values) (Link, error) {
	l := Link{Gate: q.Get("g"), Name: q.Get("n"), Shape: strings.ReplaceAll(q.Get("r"), ",", " "), Skew: usual}
	var errs []error
	for _, text := range append([]string{host}, q["h"]...) {
		a, err := netip.ParseAddr(text)
		if err == nil && a.Zone() != "" {
			err = ErrDamaged
		}
		l.Hosts, errs = append(l.Hosts, a), append(errs, err)
	}
	if k := q.Get("k"); !strings.HasPrefix(k, "sallyport-server-public-v1:") && strings.HasPrefix(k, "sallyport-server-public-v") {
		return Link{}, ErrOtherVersion
	}
	port, err := strconv.ParseUint(q.Get("p"), 10, 16)
	issued, err2 := strconv.ParseInt(q.Get("t"), 10, 40)
	l.Port, l.Issued = uint16(port), time.Unix(issued, 0)
	var err3, err4 error
	l.ServerKey, err3 = key.ParsePublic(q.Get("k"))
	l.Seed, err4 = base64.RawURLEncoding.Strict().DecodeString(q.Get("i"))
	errs = append(errs, err, err2, err3, err4)
	if q.Has("z") {
		z, err := strconv.ParseUint(q.Get("z"), 10, 10)
		l.Skew, errs = time.Duration(z)*time.Second, append(errs, err)
	}
	doors, err := doorsOf(q)
	l.Doors, errs = doors, append(errs, err)
	if errors.Join(errs...) != nil || port == 0 || issued < earliest || len(l.Seed) != SeedSize || l.ServerKey.Suite() != key.X25519 {
		return Link{}, ErrDamaged
	}
	return l, nil
}

func doorsOf(q url.Values) (list []Door, err error) {
	names, services := strings.Split(q.Get("d"), ","), q["w"]
	seconds := make([]string, len(names))
	if q.Has("o") {
		seconds = strings.Split(q.Get("o"), ",")
	}
	if len(seconds) != len(names) || len(services) != 0 && len(services) != len(names) || slices.Contains(names, "") {
		return nil, ErrDamaged
	}
	for i, name := range names {
		d := Door{Name: name}
		if len(services) > 0 {
			d.Service = services[i]
		}
		if seconds[i] != "" {
			n, err := strconv.ParseUint(seconds[i], 10, 20)
			if err != nil {
				return nil, ErrDamaged
			}
			d.Open = time.Duration(n) * time.Second
		}
		list = append(list, d)
	}
	return list, nil
}
