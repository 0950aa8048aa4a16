package sshlog

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"sallyport/internal/event"
)

// login is one try to log in.
type login struct {
	accepted bool
	method   string // "password", "publickey" or another; empty: given up before any
	user     string // as sshd writes it, chosen by anyone who tries
	source   netip.Addr
}

func (l login) event(now time.Time) event.Event {
	e := event.Event{Time: now, Kind: event.KindLogin, Reason: event.LoginFailed, Source: l.source, Bound: true} // sshd speaks TCP
	if l.accepted {
		e.Reason = event.LoginAccepted
	}
	if l.method == "" {
		e.Detail = fmt.Sprintf("ssh as %q: given up", l.user)
	} else {
		e.Detail = fmt.Sprintf("ssh as %q with %s", l.user, l.method)
	}
	return e
}

// programs are the parts of OpenSSH that log who has logged in.
var programs = []string{"sshd", "sshd-session", "sshd-auth"}

var (
	// header is what syslog daemons write before sshd's text: the traditional
	// form (RFC 3164), or with a time as in RFC 3339.
	header = regexp.MustCompile(`^(?:[A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8}|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,18}(?:Z|[+-][0-9]{2}:[0-9]{2})) [^ ]+ (?:` + strings.Join(programs, "|") + `)\[[0-9]{1,10}\]: `)

	// result is auth_log in auth.c of OpenSSH. What follows the protocol is
	// about the key.
	result = regexp.MustCompile(`^(Accepted|Failed) ([a-z-]{1,32}(?:/[a-z-]{1,32})?) for (?:invalid user )?(.*) from ([0-9a-fA-F.:]{2,45}) port ([0-9]{1,5}) ssh2(: .*)?$`)

	// gaveUp is ssh_packet_disconnect and its kin in packet.c: nobody was let in.
	gaveUp = regexp.MustCompile(`^Connection (?:closed|reset) by (?:authenticating|invalid) user (.*) ([0-9a-fA-F.:]{2,45}) port [0-9]{1,5} \[preauth\]$`)

	origin = regexp.MustCompile(` from [0-9a-fA-F.:]{2,45} port [0-9]{1,5} ssh2`)
)

// Said takes what a program, as it calls itself, has logged. ok is false for
// all but the result of a login at sshd. That it was no other program which
// calls itself the same, the caller has to know.
func Said(now time.Time, program, text string) (e event.Event, ok bool) {
	if !slices.Contains(programs, program) {
		return e, false
	}
	l, ok := parse(text)
	if !ok {
		return e, false
	}
	return l.event(now), true
}

// parseLine reads a line of a file.
func parseLine(line string) (l login, ok bool) {
	at := header.FindStringIndex(line)
	if at == nil {
		return l, false
	}
	return parse(line[at[1]:])
}

// parse reads what sshd has written. ok is false for all but the result of a login.
func parse(text string) (l login, ok bool) {
	var source string
	if m := result.FindStringSubmatch(text); m != nil {
		l.accepted, l.method, l.user, source = m[1] == "Accepted", m[2], m[3], m[4]
		// After the source stands what is known of a key, in which a
		// certificate may say anything; before it, the name. Where both can
		// pass for the source, nobody can tell which it is.
		if l.method == "publickey" || l.method == "hostbased" {
			if len(origin.FindAllString(text, 2)) > 1 {
				return login{}, false
			}
		} else if m[6] != "" {
			return login{}, false
		}
	} else if m := gaveUp.FindStringSubmatch(text); m != nil {
		l.user, source = m[1], m[2]
	} else {
		return l, false
	}
	a, err := netip.ParseAddr(source)
	if err != nil {
		return login{}, false
	}
	l.source = a.Unmap()
	return l, true
}
