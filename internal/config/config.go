// Package config reads Sallyport's configuration: strict TOML, parsed once
// into types that cannot be wrong. Whatever it refuses, it names with file,
// line, the value and what would be right.
//
// The configuration is one main file and every *.toml in the folder conf.d
// beside it, in the order of their names (hidden files are left out). Doors
// and clients may stand in any of them and add up; any other key is set once
// in all files together. Reference holds a commented file with every key.
//
// A sequence is a secret, so a file that holds one must not be accessible to
// everybody; and nobody but its owner and group may change any file.
package config

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/fwknop"
	"sallyport/internal/key"
	"sallyport/internal/packet"
	"sallyport/internal/sshauth"
)

// Config is a whole, valid configuration: the main file and everything in
// the conf.d folder beside it.
type Config struct {
	Path     string // of the main file
	Daemon   Daemon
	Gate     Gate
	SPA      SPA
	Rotating Rotating
	Journal  Journal
	Metrics  Metrics
	API      API
	Detect   Detect
	Ban      Ban
	Moat     Moat
	Fleet    Fleet
	Doors    []Door   // in file order; names unique, no port in two doors
	Groups   []Group  // in file order; names unique, also among doors
	Clients  []Client // in file order; names and keys unique
	Hooks    []Hook   // in file order
	Webhooks []Webhook
}

// Daemon says where the daemon keeps things.
type Daemon struct {
	StateDir string // absolute; default /var/lib/sallyport
	Socket   string // absolute; default /run/sallyport/control.sock
}

// Gate says what is closed and for whom.
type Gate struct {
	Name       string         // goes into rotating sequences; empty: none
	Policy     Policy         // default PolicyDoors
	Public     []packet.Port  // open to everybody; with PolicyAll only
	Closed     Closed         // how closed ports answer; default ClosedDrop
	Interfaces []string       // gated interfaces; empty: all but loopback
	Trusted    []netip.Prefix // sources that are never gated; masked, never a /0

	Timezone Zone // of all hours

	RotationDue time.Duration // how old a sequence or a rotating secret may get, whole days; 0: any age
}

// Policy says which ports are closed.
type Policy string

// PolicyDoors closes doors only; PolicyAll closes everything but Gate.Public.
const (
	PolicyDoors Policy = "doors"
	PolicyAll   Policy = "all"
)

// Closed says how a closed port answers.
type Closed string

// ClosedDrop stays silent; ClosedReject answers as a port without a listener does.
const (
	ClosedDrop   Closed = "drop"
	ClosedReject Closed = "reject"
)

// SPA configures single-packet authorisation.
type SPA struct {
	Port           uint16        // 0, the default: off
	ClockSkew      time.Duration // 10s to 10m; default 60s
	Ack            bool          // default true
	ServerKey      string        // absolute path; default StateDir/server.key
	AuthorizedKeys string        // absolute path of a file in OpenSSH's format; empty: none
	RequireBound   bool          // refuse messages that do not name their source address

	STUN bool // messages may come in STUN, from clients that may send them so

	FwknopPort        uint16 // where packets of fwknop's clients arrive; 0, the default: nowhere
	FwknopOtherSource bool   // such a packet may name another address than its own, which gets in
}

// Door is what can be opened: ports that open and close together.
type Door struct {
	Name     string
	Label    string         // for people, in any script; may be empty
	Ports    []packet.Port  // at least one
	OpenFor  time.Duration  // 1s to 24h; default 30s
	Single   bool           // a grant lets in one connection only
	Sequence []packet.Port  // empty: none; else 2 to 16 knocks
	Within   time.Duration  // limit for the whole sequence; 100ms to 10m; default 10s
	To       []netip.Prefix // destinations behind this host that the door guards too
	Hours    Hours          // when it may be opened; zero: always
	Widen4   int            // length of the prefix that an IPv4 grant is for, 16 to 31; 0: the source alone
	Widen6   int            // the same for IPv6, 32 to 127
	Polled   time.Duration  // how often other firewalls read who may use it; 0: nobody may read that

	Shared        string // group of gates of the fleet that open it together; empty: this gate alone
	SharedUnbound bool   // also for messages that name no address

	WithoutFleet time.Duration // how long it opens for clients of the fleet while etcd is away; default 24h

	Previous      []packet.Port // the sequence before, which opens too until PreviousUntil; empty: none
	PreviousUntil time.Time
	Changed       time.Time // when the sequence was made; zero: unknown
	SequencesFile string    // absolute path of the one-time sequences; empty: none
	OneTime       []OneTime // what it holds, in file order

	Place Place
}

// Client is a person or device that may open doors with a key of its own.
type Client struct {
	Name     string
	Label    string        // for people, in any script; may be empty
	Doors    []string      // names of existing doors, those of its groups too, at least one; asked for by "default doors"
	Groups   []string      // the groups that it may ask for
	Key      ssh.PublicKey // nil: a client that knocks in other ways only
	Rotating Secret
	Fwknop   *fwknop.Key   // nil: it has no client of fwknop
	Changed  time.Time     // when the rotating secret was made; zero: unknown
	From     sshauth.From  // where the client may knock from; zero: anywhere
	Expires  time.Time     // zero: never
	MaxOpen  time.Duration // upper limit of a grant; 0: the door's open_for
	Single   bool          // its grants let in one connection only
	Hours    Hours         // when it may open doors; zero: always
	Most     int           // grants at a time; 0: any number
	STUN     bool          // its messages may come in STUN
	CAEP     []string      // what the issuer of security events calls it, beside its label
	Suites   []key.Suite   // that its messages may have; empty: all
	Place    Place
}

// MayUse reports whether messages of a suite are taken from the client.
func (c *Client) MayUse(s key.Suite) bool { return len(c.Suites) == 0 || slices.Contains(c.Suites, s) }

// Mute reports whether the client has a key and may use it with none of the server's
// suites, so that no message of it is taken.
func (c *Client) Mute(suites []key.Suite) bool {
	return c.Key != nil && !slices.ContainsFunc(suites, c.MayUse)
}

// TakesSTUN reports whether messages may come in STUN: who may send them so is known
// by a client alone, and clients come and go without a reload.
func (c *Config) TakesSTUN() bool { return c.SPA.STUN && c.SPA.Port != 0 }

// Place is where something stands in the configuration.
type Place struct {
	File string // absolute
	Line int    // from 1; 0: the file as a whole
}

// String returns "file:line", or the file alone.
func (p Place) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// Door returns the door of that name, or nil.
func (c *Config) Door(name string) *Door {
	for i := range c.Doors {
		if c.Doors[i].Name == name {
			return &c.Doors[i]
		}
	}
	return nil
}
