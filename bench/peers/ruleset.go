//go:build linux

package peers

import (
	"context"
	"fmt"

	"sallyport/bench/internal/report"
)

// Ruleset is port knocking without any program: nftables remembers in a set
// which port a source has to touch next. Nothing can be faster. It takes a
// wrong port, or the same one twice, for nothing; it has one sequence for
// everybody, and tells nobody what it did.
type Ruleset struct{}

// Name implements System.
func (Ruleset) Name() string { return "nftables ruleset" }

// Programs implements System.
func (Ruleset) Programs() []string { return []string{"nft"} }

// Start implements System.
func (r Ruleset) Start(ctx context.Context, site Site) (*Server, error) {
	about := report.System{
		Name:    r.Name(),
		Version: version(ctx, "nft", "--version"),
		Files:   map[string]string{"knock.nft": ruleset()},
		Command: []string{"nft", "-f", "knock.nft"},
	}
	if err := site.write(about.Files); err != nil {
		return nil, err
	}
	if err := site.setup(ctx, []string{"nft -f knock.nft"}); err != nil {
		return nil, err
	}
	return &Server{Knock: sequence, Junk: firstKnocks, About: about}, nil
}

// ruleset has the form that is usual for this: elements of "next" are a
// source and the port expected of it; without a size, nft gives both sets
// room for 65,535.
func ruleset() string {
	s := Sequence
	return fmt.Sprintf(`table inet knock {
	set next {
		type ipv4_addr . inet_service
		flags dynamic, timeout
	}
	set inside {
		type ipv4_addr
		flags dynamic, timeout
	}
	chain input {
		type filter hook input priority -10; policy drop
		iifname "lo" accept
		ct state established,related accept
		udp dport %d ip saddr @inside accept
		udp dport %d add @next { ip saddr . %d timeout 5s } drop
		udp dport %d ip saddr . udp dport @next add @next { ip saddr . %d timeout 5s } drop
		udp dport %d ip saddr . udp dport @next add @inside { ip saddr timeout 1s } drop
	}
}
`, Door, s[0], s[1], s[1], s[2], s[2])
}
