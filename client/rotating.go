package client

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"sallyport/internal/sender"
	"sallyport/internal/sequence"
)

// Secret is what a client and a server share for rotating sequences. It shows
// in no message; Text returns it. The zero Secret is none.
type Secret = sequence.Secret

// ParseSecret reads the text of a secret.
func ParseSecret(text string) (Secret, error) { return sequence.ParseSecret(text) }

// Shape says what the rotating sequences of a server look like.
type Shape = sequence.Shape

// Sent is a rotating sequence that was sent. Nobody answers it: whether the
// door is open shows when it is used.
type Sent struct {
	Door   string
	Server netip.Addr
	Local  netip.Addr // the address of this host that the knocks left from: connect from it
	Knocks int
	Again  time.Time // from when on the same door can be knocked at again this way
}

// gap is the pause between two knocks of a sequence, so that none overtakes
// another on the way.
const gap = 20 * time.Millisecond

// KnockRotating opens doors with rotating sequences, which take no more than a
// secret and a clock that is right to half a minute, and pass networks that let
// no UDP out if the server's sequences are TCP. Of the options Doors, Network
// and Now have a meaning.
//
// A step of 30 seconds opens a door once, and so for one of two families only.
// Where a host has both, the second gets the sequence of the next step.
//
// What was sent with a profile that this user keeps is remembered: the error is
// a *UsedStepError where the step has been used.
func KnockRotating(ctx context.Context, p *Profile, opts Options) ([]Sent, error) {
	sent, err := knockRotating(ctx, p, opts)
	if err != nil {
		return sent, fmt.Errorf("knock at %q: %w", p.Name, err)
	}
	return sent, nil
}

func knockRotating(ctx context.Context, p *Profile, opts Options) ([]Sent, error) {
	doors, err := rotatingDoors(p, opts)
	if err != nil {
		return nil, err
	}
	addrs, err := resolve(ctx, p.Host, opts.Network)
	if err != nil {
		return nil, err
	}
	now := time.Now
	if opts.Now != nil {
		now = opts.Now
	}
	var sent []Sent
	var problems []error
	for _, door := range doors {
		step := sequence.StepAt(now())
		if last, ok := used(p, door, step); ok {
			problems = append(problems, &UsedStepError{door, beginning(last + 1)})
			continue
		}
		list, err := sendSteps(ctx, p, door, step, firstOfEach(addrs, 1))
		sent = append(sent, list...)
		if len(list) == 0 {
			problems = append(problems, err)
		}
	}
	return sent, errors.Join(problems...)
}

// rotatingDoors returns the doors to knock at.
func rotatingDoors(p *Profile, opts Options) ([]string, error) {
	if p.Rotating.IsZero() {
		return nil, advise("on the server: sallyport client rotate, then sallyport client profile", "the profile has no secret for rotating sequences")
	}
	doors := opts.Doors
	if len(doors) == 0 && len(p.Doors) > 0 {
		doors = p.Doors[:1]
	}
	if len(doors) == 0 {
		return nil, advise("name a door", "the profile names no door")
	}
	return doors, nil
}

// sendSteps sends the sequence of a step to the first address, and that of the
// next one to the second. The error says which could not be sent.
func sendSteps(ctx context.Context, p *Profile, door string, step int64, addrs []netip.Addr) (sent []Sent, err error) {
	rotation := sequence.NewRotation(p.Rotating.At(p.Gate), p.Shape)
	for _, a := range addrs {
		attempts, failed := sender.Send(ctx, sender.Options{Host: a.String(), Sequence: rotation.Knocks(door, step), Gap: gap})
		if failed != nil {
			err = errors.Join(err, failed)
			continue
		}
		remember(p, door, step)
		sent = append(sent, Sent{Door: door, Server: a, Local: attempts[0].Source, Knocks: p.Shape.Knocks, Again: beginning(step + 1)})
		step++
	}
	return sent, err
}

func rotatingText(p *Profile) string { return p.Rotating.Text() }

func setRotating(p *Profile, v string) (err error) {
	p.Rotating, err = ParseSecret(v)
	return check(err == nil)
}

// shapeText writes a shape: "5 tcp 1024-32767".
func shapeText(p *Profile) string {
	s := p.Shape
	if s == (Shape{}) {
		return ""
	}
	return fmt.Sprintf("%d %s %d-%d", s.Knocks, s.Protos, s.First, s.Last)
}

func setShape(p *Profile, v string) error {
	// Scanning with fmt would make a small client a hundredth larger.
	words := strings.Split(v, " ")
	if len(words) != 3 {
		return errValue
	}
	first, last, _ := strings.Cut(words[2], "-")
	knocks, err := strconv.ParseUint(words[0], 10, 8)
	from, errFrom := parsePort(first)
	to, errTo := parsePort(last)
	p.Shape = Shape{Knocks: int(knocks), Protos: sequence.Protos(words[1]), First: from, Last: to}
	return check(errors.Join(err, errFrom, errTo) == nil && p.Shape.Validate() == nil)
}

// complete says what a profile lacks for both ways to knock.
func (p *Profile) complete() error {
	spa, rotating := p.Port != 0 || p.ServerKey != "", !p.Rotating.IsZero()
	switch {
	case (spa || !rotating) && p.Port == 0:
		return missing(fieldOf("port"))
	case (spa || !rotating) && p.ServerKey == "":
		return missing(fieldOf("server_key"))
	case rotating && p.Shape == Shape{}:
		return missing(fieldOf("shape"))
	case !rotating && (p.Shape != Shape{} || p.Gate != ""):
		return missing(fieldOf("rotating"))
	case !spa && len(p.Doors) == 0:
		return missing(fieldOf("doors"))
	}
	return nil
}

// fieldOf returns the field of a key.
func fieldOf(key string) field {
	return fields[slices.IndexFunc(fields, func(f field) bool { return f.key == key })]
}

// uriScheme begins a URI that holds what rotating sequences need: short enough
// for a QR code on a terminal, which a server key is not.
const uriScheme = "sallyport"

// RotatingURI writes the part of a profile that rotating sequences need.
func (p *Profile) RotatingURI() string {
	values := url.Values{"d": {strings.Join(p.Doors, ",")}, "s": {p.Rotating.Text()}, "r": {strings.ReplaceAll(shapeText(p), " ", ",")}}
	if p.Gate != "" {
		values.Set("g", p.Gate)
	}
	u := url.URL{Scheme: uriScheme, Host: p.Host, RawQuery: values.Encode()}
	if strings.Contains(p.Host, ":") {
		u.Host = "[" + p.Host + "]"
	}
	return u.String()
}

// ParseRotatingURI reads what RotatingURI writes, and nothing else. The profile
// is named after the host.
func ParseRotatingURI(text string) (*Profile, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != uriScheme {
		return nil, errors.New("read the profile: want sallyport://HOST?…, as the server prints it")
	}
	p := &Profile{Name: SuggestName(u.Hostname()), Host: u.Hostname()}
	values := u.Query()
	for _, v := range []struct{ key, text string }{
		{"host", p.Host}, {"doors", strings.ReplaceAll(values.Get("d"), ",", ", ")},
		{"rotating", values.Get("s")}, {"shape", strings.ReplaceAll(values.Get("r"), ",", " ")}, {"gate", values.Get("g")},
	} {
		if v.key == "gate" && v.text == "" {
			continue
		}
		f := fieldOf(v.key)
		if err := f.set(p, v.text); err != nil {
			return nil, fmt.Errorf("read the profile: %s: want %s", v.key, f.want)
		}
	}
	if p.RotatingURI() != text {
		return nil, errors.New("read the profile: the URI is not as the server prints it")
	}
	return p, p.Validate()
}
