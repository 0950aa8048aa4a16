//go:build linux

package peers

import (
	"context"

	"sallyport/bench/internal/report"
)

// Nobody is a host where everything is closed and nothing opens. It reports what
// making and dropping junk costs by itself.
type Nobody struct{}

// Name implements System.
func (Nobody) Name() string { return "nobody listens" }

// Programs implements System.
func (Nobody) Programs() []string { return []string{"nft"} }

// Start implements System.
func (n Nobody) Start(ctx context.Context, site Site) (*Server, error) {
	about := report.System{
		Name:  n.Name(),
		Files: map[string]string{"closed.nft": closedRuleset},
		Setup: []string{"nft -f closed.nft"},
	}
	if err := site.write(about.Files); err != nil {
		return nil, err
	}
	if err := site.setup(ctx, about.Setup); err != nil {
		return nil, err
	}
	return &Server{Junk: firstKnocks, About: about}, nil
}

const closedRuleset = `table inet closed {
	chain input {
		type filter hook input priority 0; policy drop
		iifname "lo" accept
		ct state established,related accept
	}
}
`
