package lint

import (
	"crypto/rsa"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/config"
)

var accessRules = []Rule{
	{
		Name: "static-only", Group: Access, Severity: Warning,
		Summary: "a door opens with a sequence that never changes, and in no other way",
		Why: "A static sequence is the same for everybody and each time, and sent in the clear: anyone who sees it once, on the way or in someone's " +
			"notes, can open the door until it is changed.",
		Remedy: "let a client open it with a key or a rotating sequence: sallyport client add",
		Bad:    Example{Config: sshDoor + random},
		Good:   Example{Config: spaPort + sshDoor + random + alice},
		check: func(in input, tell report) {
			ways := in.ways()
			for _, d := range in.Doors {
				if w := ways[d.Name]; w.static && !w.client && len(d.OneTime) == 0 {
					tell(d.Place, fmt.Sprintf("door %q opens with a static sequence only", d.Name))
				}
			}
		},
	},
	{
		Name: "long-grant", Group: Access, Severity: Warning,
		Summary: "grants are longer than it takes to connect",
		Why: "A grant is for new connections; those that have begun go on after it. As long as it lasts, everybody behind the same " +
			"address (an office, a household, a carrier's customers) has the open door too.",
		Remedy: "thirty seconds are enough to connect; for a program that reconnects all the time, use the address in trusted",
		Bad:    Example{Config: spaPort + sshDoor + "open_for = \"12h\"\n" + alice},
		Good:   Example{Config: spaPort + sshDoor + "open_for = \"30s\"\n" + alice},
		check:  checkLong,
	},
	{
		Name: "wide-grant", Group: Access, Severity: Warning,
		Summary: "a grant is for a whole network",
		Why: "With widen4 and widen6 a knock lets in the neighbours of its source too, because some carriers send knock and connection from " +
			"different addresses. Wider than /24 or /64 it lets in more than one such carrier's block.",
		Remedy: "use /24 and /64 at the widest, on the doors that need it only",
		Bad:    Example{Config: spaPort + sshDoor + "widen4 = 16\n" + alice},
		Good:   Example{Config: spaPort + sshDoor + alice},
		check: func(in input, tell report) {
			for _, d := range in.Doors {
				wide := func(bits, limit int, family string) {
					severity := Info
					if bits < limit {
						severity = Warning
					}
					if bits != 0 {
						tell(d.Place, fmt.Sprintf("door %q opens for a whole /%d of %s at each knock", d.Name, bits, family), as(severity))
					}
				}
				wide(d.Widen4, 24, "IPv4")
				wide(d.Widen6, 64, "IPv6")
			}
		},
	},
	{
		Name: "wide-trusted", Group: Access, Severity: Warning,
		Summary: "a trusted prefix is larger than a site",
		Why:     "For trusted sources nothing is ever closed. A public prefix above /24 or /48 belongs to many people, and so does 100.64.0.0/10, where carriers put their customers.",
		Remedy:  "name the addresses that you trust, or your own networks",
		Bad:     Example{Config: "[gate]\ntrusted = [\"203.0.0.0/8\"]\n\n" + spaPort + sshDoor + alice},
		Good:    Example{Config: "[gate]\ntrusted = [\"10.0.0.0/8\", \"203.0.113.7\"]\n\n" + spaPort + sshDoor + alice},
		check: func(in input, tell report) {
			for _, p := range in.Gate.Trusted {
				if severity, wide := tooWide(p); wide {
					tell(config.Place{File: in.Path}, fmt.Sprintf("trusted: %s is never gated", p), as(severity))
				}
			}
		},
	},
	{
		Name: "weak-key", Group: Access, Severity: Warning,
		Summary: "an RSA key has less than 3072 bits",
		Why:     "RSA of 2048 bits is what 112 bits are elsewhere; NIST (SP 800-57 part 1) does not want it used beyond 2030. (Below 2048 bits a key is refused when the configuration is read.)",
		Remedy:  "have the client make an Ed25519 key: sallyport keygen",
		Bad:     Example{Config: spaPort + sshDoor + "\n[[client]]\nname = \"bob\"\ndoors = [\"ssh\"]\nkey = \"" + exampleRSA + "\"\n"},
		Good:    Example{Config: spaPort + sshDoor + alice},
		check: func(in input, tell report) {
			for _, c := range in.Clients {
				holder, ok := c.Key.(ssh.CryptoPublicKey)
				if !ok {
					continue
				}
				if k, ok := holder.CryptoPublicKey().(*rsa.PublicKey); ok && k.N.BitLen() < 3072 {
					tell(c.Place, fmt.Sprintf("client %q has an RSA key of %d bits", c.Name, k.N.BitLen()))
				}
			}
		},
	},
	{
		Name: "weak-secret", Group: Access, Severity: Error,
		Summary: "the secret of a rotating sequence was not drawn at random",
		Why: "Anyone who overhears one knock can try secrets as fast as his computers can: words, patterns and the examples of manuals first. 160 random bits " +
			"look like a text, or like a pattern, once in hundreds of millions of times.",
		Remedy: "make another: sallyport client rotate --keep 0s, and give it to the client",
		Bad:    Example{Config: sshDoor + "\n[[client]]\nname = \"bob\"\ndoors = [\"ssh\"]\nrotating = \"JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP\"\n"},
		Good:   Example{Config: spaPort + sshDoor + alice},
		check: func(in input, tell report) {
			for _, c := range in.Clients {
				for _, s := range c.Rotating.Secrets(in.now) {
					if habit := pattern(s); habit != "" {
						tell(c.Place, fmt.Sprintf("client %q has a secret that is %s", c.Name, habit))
					}
				}
			}
		},
	},
}

// Grants longer than these are longer than needed.
const (
	longGrant     = 10 * time.Minute
	veryLongGrant = time.Hour
)

func checkLong(in input, tell report) {
	long := func(at config.Place, what string, d time.Duration) {
		if d > longGrant {
			severity := Info
			if d > veryLongGrant {
				severity = Warning
			}
			tell(at, fmt.Sprintf("%s for up to %s at a time", what, span(d.Seconds())), as(severity))
		}
	}
	for _, d := range in.Doors {
		long(d.Place, fmt.Sprintf("door %q stays open", d.Name), d.OpenFor)
	}
	for _, c := range in.Clients {
		long(c.Place, fmt.Sprintf("client %q may keep doors open", c.Name), c.MaxOpen)
	}
}

// shared is where carriers put their customers (RFC 6598).
var shared = netip.MustParsePrefix("100.64.0.0/10")

// tooWide judges a trusted prefix. Private networks (RFC 1918, RFC 4193) and
// links are one's own, however large.
func tooWide(p netip.Prefix) (Severity, bool) {
	site, many := 24, 16
	if p.Addr().Is6() {
		site, many = 48, 32
	}
	addr := p.Addr()
	own := addr.IsPrivate() && p.Bits() >= 7 || addr.IsLinkLocalUnicast() && p.Bits() >= 10
	switch {
	case own:
		return "", false
	case p.Bits() < many, shared.Overlaps(p) && p.Bits() <= shared.Bits():
		return Error, true
	}
	return Warning, p.Bits() < site
}

// exampleRSA is a key of 2048 bits.
const exampleRSA = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC5W5RfqFEcqzqX7c7furq7tVZVieNsNzmGAamAc2/wkMnMr+kk/ZV1e2YLaxWnCNTAapIMEIuRMVV2DuxE1wWpkYXQiGjAeD1Q4taSIacBD1v8BJHUUW5dizrOpZUSiizyOW+DOWdCHTNq8HY+OwudA95Q4VvlIgfOrP9dsKjvbRuIXCpwyaG3OIrMkl9q2ZdkTFjk1X5FpXwmmb6W8MOkaOt2FhAXOXoo8A9YhuU1H/jYk9sadRbyQqFkbpScjkVzJl1wkmdEzYZbu0tZ8uwxCd9N/qyf2jIvHS49nvdASmVg5TJfbEMHZ43RLwJLdi0dKendtGTuS2e8xARqxMBD bob@laptop"
