package sshauth

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// option is one option before a key: its name in lower case, and its value if
// it has one.
type option struct {
	name, value string
	valued      bool
}

// splitOptions reads the options at the beginning of a line and returns the
// rest of the line. As in OpenSSH they are separated by commas, end at the
// first blank outside quotes, and \" in a value is a quote.
func splitOptions(text string) ([]option, string, error) {
	var opts []option
	for {
		end := strings.IndexAny(text, "=, \t")
		if end < 0 {
			end = len(text)
		}
		o := option{name: strings.ToLower(text[:end])}
		if o.name == "" {
			return nil, "", errors.New("an option is empty: want options separated by one comma, without blanks")
		}
		text = text[end:]
		if strings.HasPrefix(text, "=") {
			var err error
			if o.value, text, err = unquote(text[1:]); err != nil {
				return nil, "", fmt.Errorf("option %s: %w", quoted(o.name), err)
			}
			o.valued = true
		}
		opts = append(opts, o)
		switch {
		case text == "" || text[0] == ' ' || text[0] == '\t':
			return opts, strings.TrimLeft(text, " \t"), nil
		case text[0] != ',':
			return nil, "", fmt.Errorf("option %s: want a comma or a blank after its value", quoted(o.name))
		}
		text = text[1:]
	}
}

// unquote reads a value in quotes and returns what follows it.
func unquote(text string) (string, string, error) {
	if !strings.HasPrefix(text, `"`) {
		return "", "", errors.New(`the value must be in quotes: want NAME="VALUE"`)
	}
	var value strings.Builder
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '"':
			return value.String(), text[i+1:], nil
		case text[i] == '\\' && i+1 < len(text) && text[i+1] == '"':
			i++
		}
		value.WriteByte(text[i])
	}
	return "", "", errors.New("the value has no closing quote")
}

func quoted(text string) string { return fmt.Sprintf("%q", shown(text)) }

// The options of sshd(8), "AUTHORIZED_KEYS FILE FORMAT", that have no meaning
// for a knock. no-touch-required is among them: here a key must be touched all
// the same.
var (
	foreignFlags = []string{
		"restrict", "agent-forwarding", "no-agent-forwarding", "port-forwarding", "no-port-forwarding",
		"pty", "no-pty", "user-rc", "no-user-rc", "x11-forwarding", "no-x11-forwarding",
		"touch-required", "no-touch-required", "no-verify-required",
	}
	foreignValues = []string{"command", "environment", "permitlisten", "permitopen", "principals", "tunnel"}
)

// Our own options; OpenSSH has two of them too.
var ownOptions = []string{"doors", "from", "expiry-time", "max-open", "single"}

// demanding are options that are refused on the line of a client, and why.
var demanding = map[string]string{
	"cert-authority":  "is not possible: a client is one key, not all that an authority signs for",
	"verify-required": "cannot be enforced for a knock: leave it to sshd, in a line of its own",
}

// foreign reports whether an option is one of OpenSSH that does not concern us.
func (o option) foreign() bool {
	if o.valued {
		return slices.Contains(foreignValues, o.name)
	}
	return slices.Contains(foreignFlags, o.name)
}

// apply takes the options of a line. It leaves the entry without doors if the
// line is not a client's.
func (e *Entry) apply(opts []option, zone *time.Location) error {
	if !slices.ContainsFunc(opts, func(o option) bool { return o.name == "doors" }) {
		return checkForeign(opts)
	}
	seen := make(map[string]bool)
	for _, o := range opts {
		if o.foreign() {
			continue
		}
		if seen[o.name] {
			return fmt.Errorf("option %s is there twice", quoted(o.name))
		}
		seen[o.name] = true
		if err := e.set(o, zone); err != nil {
			return fmt.Errorf("option %s %w", quoted(o.name), err)
		}
	}
	return nil
}

// checkForeign checks a line that is not a client's, so that one which should
// be, but for a mistake in the name of an option, is noticed.
func checkForeign(opts []option) error {
	for _, o := range opts {
		switch {
		case o.name == "max-open" || o.name == "single":
			return fmt.Errorf(`option %q is there without doors: want doors="NAME,…" too`, o.name)
		case !o.foreign() && demanding[o.name] == "" && !slices.Contains(ownOptions, o.name):
			return fmt.Errorf("option %s %w", quoted(o.name), errUnknown)
		}
	}
	return nil
}

var errUnknown = errors.New("is unknown, or is not written as in sshd(8)")

func (e *Entry) set(o option, zone *time.Location) (err error) {
	switch {
	case demanding[o.name] != "":
		return errors.New(demanding[o.name])
	case !slices.Contains(ownOptions, o.name):
		return errUnknown
	case o.name == "single" && o.valued:
		return errors.New("has no value")
	case o.name != "single" && !o.valued:
		return errors.New("needs a value in quotes")
	}
	switch o.name {
	case "single":
		e.Single = true
	case "doors":
		e.Doors, err = parseDoors(o.value)
	case "from":
		e.From, err = parseFrom(o.value)
	case "expiry-time":
		e.Expires, err = parseExpiry(o.value, zone)
	case "max-open":
		e.MaxOpen, err = time.ParseDuration(o.value)
		if err != nil || e.MaxOpen < time.Second || e.MaxOpen > 24*time.Hour {
			err = fmt.Errorf(`is %s: want a duration of 1s to 24h, such as "30m"`, quoted(o.value))
		}
	}
	return err
}

func parseDoors(value string) ([]string, error) {
	doors := strings.Split(value, ",")
	for i, name := range doors {
		if name == "" || strings.ContainsAny(name, " \t\"") {
			return nil, fmt.Errorf(`is %s: want names of doors, such as "ssh,db"`, quoted(value))
		}
		if slices.Contains(doors[:i], name) {
			return nil, fmt.Errorf("names the door %s twice", quoted(name))
		}
	}
	return doors, nil
}

// parseExpiry reads the forms of the option in sshd(8).
func parseExpiry(value string, zone *time.Location) (time.Time, error) {
	const digits = "20060102150405"
	text, utc := strings.CutSuffix(value, "Z")
	if utc {
		zone = time.UTC
	}
	if n := len(text); n == 8 || n == 12 || n == 14 {
		if t, err := time.ParseInLocation(digits[:n], text, zone); err == nil && t.Year() >= 1970 {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf(`is %s: want YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS, with a Z at the end for UTC`, quoted(value))
}
