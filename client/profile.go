package client

import (
	"net/netip"
	"time"
)

// Profile is what a client knows of a server.
type Profile struct {
	Name      string        // what the user calls the server, and the name of the file
	Host      string        // name or address of the server
	Port      uint16        // UDP port that takes messages
	ServerKey string        // public key of the server, in its text form
	Doors     []string      // names of the doors of this client; the first is the default; none: the server chooses
	Identity  string        // SSH key to use: a fingerprint (SHA256:…) or the path of a private key; empty: the only one there is
	Bind      []netip.Addr  // addresses that the server sees this client come from, at most one a family: messages are worthless from others
	BindLocal bool          // bind messages to the address of the interface they leave from: for hosts that are not behind NAT
	Skew      time.Duration // clock error that the server tolerates, whole seconds; 0: DefaultSkew
	Rotating  Secret        // for rotating sequences; zero: none; with it alone, Port and ServerKey are not needed
	Shape     Shape         // of the rotating sequences; zero without Rotating
	Gate      string        // the server's name in the derivation of the sequences; empty: it has none
}

// DefaultSkew is the clock error that a server tolerates if its profile does
// not say.
const DefaultSkew = time.Minute

// skew is the clock error that the server tolerates.
func (p *Profile) skew() time.Duration {
	if p.Skew == 0 {
		return DefaultSkew
	}
	return p.Skew
}
