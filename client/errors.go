package client

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"sallyport/internal/phrase"
	"sallyport/internal/sender"
	"sallyport/internal/spa"
)

// errEnough ends what is still on its way when every door has been answered
// for.
var errEnough = errors.New("answered")

// NoAnswerError says that nobody answered. A server answers nobody whom it does
// not know, so why is for the user to find out; Hint reports how.
type NoAnswerError struct {
	Profile string           // its name
	Asked   []netip.AddrPort // where messages were sent to; empty: none could be sent
	Tries   int              // messages to each address
	Waited  time.Duration    // from the first message on, as long as it really was
	Size    int              // bytes of the largest message, as one packet
	Skew    time.Duration    // clock error that the server tolerates
	Problem error            // the last that the network said, if anything: anybody on the way can say it
}

func (e *NoAnswerError) Error() string {
	if len(e.Asked) == 0 {
		return fmt.Sprintf("nothing could be sent: %v", sender.Cause(e.Problem))
	}
	asked := make([]string, len(e.Asked))
	for i, a := range e.Asked {
		asked[i] = a.String()
	}
	messages := fmt.Sprintf("%d messages", e.Tries)
	if e.Tries == 1 {
		messages = "one message"
	}
	if len(asked) > 1 {
		messages += " each"
	}
	text := fmt.Sprintf("no answer from %s within %v (%s)", strings.Join(asked, " and "), phrase.Duration(e.Waited.Round(100*time.Millisecond)), messages)
	if e.Problem != nil {
		text += fmt.Sprintf("; the last heard was: %v", sender.Cause(e.Problem))
	}
	return text
}

// Unwrap returns the last that the network said.
func (e *NoAnswerError) Unwrap() error { return e.Problem }

// Hint lists what it may be, likeliest first, and how to find out.
func (e *NoAnswerError) Hint() string {
	switch {
	case isTooLarge(e.Problem):
		return fmt.Sprintf("the path to the server does not carry packets of %d bytes: have the server use the suite x25519, or raise the MTU of the tunnel", e.Size)
	case len(e.Asked) == 0:
		return "check the network of this host: the server was not asked"
	}
	return fmt.Sprintf(`a server answers nobody whom it does not know. It may be, likeliest first:
  - %s
  - the clock of this host is off by more than %v
  - the server has a new key: fetch the profile again
  - the server does not know your SSH key, or no longer, or it may not open this door, or not from here or at this hour
  - the server opens doors without answering (ack = false): then the door is open now
  - the path does not carry packets of %d bytes, and drops them without a word
sallyport doctor %s looks at this end; sallyport status, on the server, at the other`, e.nobody(), phrase.Duration(e.Skew), e.Size, e.Profile)
}

// nobody says why it seems that nobody is there.
func (e *NoAnswerError) nobody() string {
	if isRefused(e.Problem) {
		return "the daemon does not run there: the host answers as for any closed port, which one with a daemon may do too"
	}
	return fmt.Sprintf("UDP to port %d is filtered on the way, or the server is down", e.Asked[0].Port())
}

// RefusedError says that the server knows this client, and refused.
type RefusedError struct {
	Door   string     // empty: the client's default doors
	Source netip.Addr // where the server saw the message come from
	Reason string     // one of the words unknown-door, forbidden-door, forbidden-from, key-expired, wrong-address, not-opened
}

func (e *RefusedError) Error() string {
	door := "the default doors"
	if e.Door != "" {
		door = fmt.Sprintf("door %q", e.Door)
	}
	return fmt.Sprintf("the server refused %s for %s: %s", door, e.Source, e.words().why)
}

// Hint says what to do about the refusal.
func (e *RefusedError) Hint() string { return e.words().remedy }

type words struct{ why, remedy string }

func (e *RefusedError) words() words {
	switch spa.Reason(e.Reason) {
	case spa.UnknownDoor:
		return words{"it has no such door", "check the name, or fetch the profile again"}
	case spa.ForbiddenDoor:
		return words{"this client may not open it", "ask the administrator to add the door to this client"}
	case spa.ForbiddenFrom:
		return words{"this client may not come from there", "knock from an address that the administrator has allowed"}
	case spa.KeyExpired:
		return words{"the key of this client has expired", "ask the administrator to extend it or to add a new one"}
	case spa.WrongAddress:
		return words{"the message was bound to another address", `correct or remove the line "bind" of the profile: the server sees this client come from that address`}
	case spa.NotOpened:
		return words{"its firewall did not take the change", "ask the administrator: sallyport status and its log say more"}
	}
	return words{e.Reason, "ask the administrator"}
}

// doorFailure returns why none of the flights for one door was answered as
// asked: the most telling of their reasons.
func (q *request) doorFailure(flights []*flight) error {
	none := &NoAnswerError{Profile: q.profile.Name, Skew: q.profile.skew()}
	var refused, unable error
	for _, f := range flights {
		switch {
		case f.answered != nil && f.answered.Status != spa.Refused:
			return nil
		case f.answered != nil:
			refused = &RefusedError{Door: q.asked(f), Source: f.answered.Source, Reason: string(f.answered.Reason)}
		case f.tries > 0:
			none.Asked, none.Tries, none.Waited = append(none.Asked, f.to), max(none.Tries, f.tries), max(none.Waited, f.waited)
		}
		none.Size = max(none.Size, q.size+overhead(f.to.Addr()))
		if f.err != nil {
			unable = f.err
		}
		if f.problem != nil && (none.Problem == nil || f.tries > 0) {
			none.Problem = f.problem
		}
	}
	if refused != nil {
		return refused
	}
	if unable != nil && len(none.Asked) == 0 {
		return unable
	}
	if none.Problem == nil {
		none.Problem = unable
	}
	return none
}

// overhead is the size of the headers of UDP and IP.
func overhead(a netip.Addr) int {
	if a.Is4() {
		return 20 + 8
	}
	return 40 + 8
}

// asked returns the name of the door that a flight is about.
func (q *request) asked(f *flight) string {
	if f.header.Door == ([4]byte{}) {
		return ""
	}
	return q.doorName(f.header.Door)
}

// resolve returns the addresses of a host.
func resolve(ctx context.Context, host, network string) ([]netip.Addr, error) {
	family := map[string]sender.Family{"ip4": sender.IPv4, "ip6": sender.IPv6}[network]
	addrs, err := sender.Resolve(ctx, host, family)
	if err != nil {
		return nil, advise("check the host in the profile, and the network of this computer; an address works too", "%q does not resolve: %w", host, err)
	}
	return addrs, nil
}
