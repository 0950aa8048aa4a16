package client

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"sallyport/internal/key"
	"sallyport/internal/phrase"
	"sallyport/internal/spa"
	"sallyport/internal/sshauth"
)

// Options say how to knock. The zero Options are right for most.
type Options struct {
	Doors    []string      // doors to knock at; empty: the profile's first one
	For      time.Duration // how long to open, whole seconds; the server may grant less; 0: as long as usual
	Single   bool          // let in one connection only
	Network  string        // "ip4" or "ip6" to use only that family; "": both
	Identity string        // SSH key to use instead of the profile's
	// Passphrase asks for the passphrase of a key file; nil: nobody can be asked.
	// The first try is 0; each further one follows a wrong answer, up to Tries.
	Passphrase func(path string, try int) ([]byte, error)
	Timeout    time.Duration    // how long to wait for an answer once a message is out; 0: for eight tries, 7 to 15 s
	First      bool             // return with the first answer, from whichever address; else wait a little for the other family
	Now        func() time.Time // the clock, for hosts whose own is known to be off; nil: time.Now
}

// Result is what a server answered.
type Result struct {
	Grants []Grant       // what is open now; after Close: what no longer is
	Took   time.Duration // from sending a message to the first answer
	Clock  time.Duration // by how much the server's clock is ahead of ours
	OldKey bool          // the server is about to change its key: fetch a new profile
}

// Grant is a door that is open for one address.
type Grant struct {
	Door   string         // by name, or in hex if neither profile nor options name it
	Source netip.Addr     // this client, as the server sees it
	Local  netip.Addr     // the address of this host that the message left from: connect from it
	Server netip.AddrPort // the address that was knocked at, with the port for messages
	For    time.Duration  // how long the server opened it, in seconds of its own
	Until  time.Time      // on this host's clock; not later than the server closes it
	Single bool           // it lets in one connection only
}

// Knock asks the server to open doors and waits until it says that they are
// open.
//
// Messages go out over IPv4 and IPv6 at once, each from a socket of its own,
// since a door opens for the address that the server sees. Each try is a new
// message, except with FIDO2 keys, where every message costs its user a touch.
//
// The error is a *NoAnswerError if nobody answered, a *RefusedError if the
// server said no. It may have a method Hint() string that says what to do.
func Knock(ctx context.Context, p *Profile, opts Options) (Result, error) {
	r, err := ask(ctx, p, spa.Open, opts)
	if err != nil {
		return r, fmt.Errorf("knock at %q: %w", p.Name, err)
	}
	return r, nil
}

// Close gives grants back before their time. Of the options For and Single
// have no meaning. Established connections go on.
func Close(ctx context.Context, p *Profile, opts Options) (Result, error) {
	opts.For, opts.Single = 0, false
	r, err := ask(ctx, p, spa.Close, opts)
	if err != nil {
		return r, fmt.Errorf("close %q: %w", p.Name, err)
	}
	return r, nil
}

// ask sends the messages for each door to each address, and gathers what
// comes back.
func ask(ctx context.Context, p *Profile, op spa.Op, opts Options) (Result, error) {
	q, err := newRequest(ctx, p, op, opts)
	if err != nil {
		return Result{}, err
	}
	defer q.done()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	flights := q.flights()
	q.gather(ctx, func() { cancel(errEnough) }, flights)
	return q.result(flights), q.failure(ctx, flights)
}

// newRequest prepares the messages for each door. It is usable until done is
// called or ctx ends.
func newRequest(ctx context.Context, p *Profile, op spa.Op, opts Options) (*request, error) {
	headers, err := headersFor(p, op, &opts)
	if err != nil {
		return nil, err
	}
	server, err := parseServerKey(p)
	if err != nil {
		return nil, err
	}
	addrs, err := resolve(ctx, p.Host, opts.Network)
	if err != nil {
		return nil, err
	}
	id, done, err := findIdentity(ctx, p, server.Suite(), opts)
	if err != nil {
		return nil, err
	}
	size, err := spa.Length(server.Suite(), id.size)
	if err != nil {
		done()
		return nil, err
	}
	for i := range headers {
		headers[i].Client = sshauth.ID(id.signer.PublicKey())
	}
	return &request{profile: p, server: server, id: id, size: size, opts: opts, headers: headers, list: addrs, done: done}, nil
}

func parseServerKey(p *Profile) (key.Public, error) {
	if p.ServerKey == "" {
		return key.Public{}, advise("sallyport knock --rotating uses the profile's secret", "the profile has no server key: it is for rotating sequences")
	}
	server, err := key.ParsePublic(p.ServerKey)
	if err != nil {
		return server, advise("fetch the profile again: sallyport client profile, on the server", "read the server key: %w", err)
	}
	return server, nil
}

// headersFor returns the request for each door, without the client and the
// time, and fills in what the options leave open.
func headersFor(p *Profile, op spa.Op, opts *Options) ([]spa.Header, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	seconds := opts.For / time.Second
	if opts.For < 0 || opts.For%time.Second != 0 || seconds > 65535 {
		return nil, fmt.Errorf("cannot ask for %v: want whole seconds, at most 65535", phrase.Duration(opts.For))
	}
	if op == spa.Ask { // whom the operator lets in where is not the profile's business
		return []spa.Header{{Op: op}}, nil
	}
	h := spa.Header{Op: op, Ack: true, Single: opts.Single, Seconds: uint16(seconds)}
	if len(opts.Doors) == 0 && len(p.Doors) == 0 {
		return []spa.Header{h}, nil // the client's default doors
	}
	if len(opts.Doors) == 0 {
		opts.Doors = p.Doors[:1]
	}
	var headers []spa.Header
	for i, d := range opts.Doors {
		if !validName(d) {
			return nil, fmt.Errorf("%q is not the name of a door: want %s", d, wantName)
		}
		if slices.Contains(opts.Doors[:i], d) {
			return nil, fmt.Errorf("the door %q is named twice", d)
		}
		if len(p.Doors) > 0 && !slices.Contains(p.Doors, d) {
			// The server would not say: it is silent about doors that are not for this client.
			return nil, advise("it has "+strings.Join(p.Doors, ", ")+"; if the server has given you more, fetch the profile again",
				"the profile %q has no door %q", p.Name, d)
		}
		h.Door = spa.DoorID(d)
		headers = append(headers, h)
	}
	return headers, nil
}
