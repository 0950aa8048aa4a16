//go:build linux

package peers

import (
	"context"
	"fmt"
	"path/filepath"

	"sallyport/bench/internal/report"
)

// Knockd is the classic: it reads packets with libpcap and runs iptables to
// open and, after a while, to close.
type Knockd struct{}

// Name implements System.
func (Knockd) Name() string { return "knockd" }

// Programs implements System.
func (Knockd) Programs() []string { return []string{"knockd", "iptables"} }

// Start implements System.
func (k Knockd) Start(ctx context.Context, site Site) (*Server, error) {
	about := report.System{
		Name:    k.Name(),
		Version: version(ctx, "knockd", "-V"),
		Setup:   closedHost(),
		Files:   map[string]string{"knockd.conf": knockdConfig()},
		Command: []string{"knockd", "-i", "to-client", "-c", filepath.Join(site.Dir, "knockd.conf")},
	}
	if err := site.setup(ctx, about.Setup); err != nil {
		return nil, err
	}
	if err := site.write(about.Files); err != nil {
		return nil, err
	}
	cmd, err := site.daemon(ctx, nil, about.Command[0], about.Command[1:]...)
	if err != nil {
		return nil, err
	}
	return &Server{PID: cmd.Process.Pid, Knock: sequence, Junk: firstKnocks, About: about, cmd: cmd}, nil
}

func knockdConfig() string {
	rule := fmt.Sprintf("INPUT -s %%IP%% -p udp --dport %d -j ACCEPT", Door)
	return fmt.Sprintf(`[options]
	logfile = knockd.log

[door]
	sequence      = %d:udp,%d:udp,%d:udp
	seq_timeout   = 5
	start_command = iptables -I %s
	cmd_timeout   = 1
	stop_command  = iptables -D %s
`, Sequence[0], Sequence[1], Sequence[2], rule, rule)
}
