//go:build linux

// Package peers sets up the systems that are compared, each on a gate of its
// own: ours, other people's as Debian ships them, a ruleset that needs no
// program, and the least that any program could do.
//
// All of them guard the same door, a UDP port, and keep it open for one second.
// Sequences are the same three UDP knocks. What else a host would run is the
// same too: every port that nobody asked for is closed.
package peers

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"sallyport/bench/internal/flood"
	"sallyport/bench/internal/probe"
	"sallyport/bench/internal/report"
	"sallyport/internal/key"
	"sallyport/internal/lab"
)

// Door is the guarded UDP port.
const Door = 4022

// Sequence is the UDP ports of the knocks.
var Sequence = []uint16{7000, 8000, 9000}

// System is one of those compared.
type System interface {
	Name() string
	// Programs must be installed for the system to take part.
	Programs() []string
	// Start sets the system up on the gate of a lab that has no firewall
	// yet. It need not wait until knocks are heard.
	Start(ctx context.Context, site Site) (*Server, error)
}

// Site is where a system is set up.
type Site struct {
	Lab *lab.Lab
	Dir string // for its files; private to it
}

// Server is a system that has been started. It ends with its lab.
type Server struct {
	// PID is the daemon's process; 0 if all work is the kernel's.
	PID int
	// Knock returns what opens the door for a source, good for one use. It
	// is nil where nothing opens the door.
	Knock func(ctx context.Context, source netip.Addr) (probe.Knock, error)
	// Answers reports whether knocks of one packet are answered when the door
	// is open.
	Answers bool
	// Junk is what the system has to tell from an honest first packet.
	Junk flood.Junk
	// Forge makes datagrams that only a holder of the server's public key
	// can make, and that open nothing: junk that takes the most work to tell
	// from an honest message. It is nil where there is no such thing.
	Forge func(n int) ([][]byte, error)
	// Replay makes datagrams that have been seen before: valid messages of a
	// second client, each of which the daemon must already have accepted. The
	// caller sends them once before they are junk. It is nil where there is no
	// such thing.
	Replay func(n int) ([][]byte, error)
	// Ready is the time from its start until the daemon said that it is
	// ready; 0 if it does not say so.
	Ready time.Duration
	// About reports how to set the system up again.
	About report.System

	cmd *lab.Cmd
}

// Stop kills the daemon, if there is one.
func (s *Server) Stop() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill() // gone already: as good
		_ = s.cmd.Wait()
		s.cmd = nil
	}
}

// All returns the systems in the order of the tables. Sallyport is the path of
// the program to measure.
func All(sallyport string) []System {
	return []System{
		Sallyport{Program: sallyport},
		Sallyport{Program: sallyport, Policy: "doors"},
		Rotating{Program: sallyport},
		SPA{Program: sallyport, Suite: key.Hybrid},
		SPA{Program: sallyport, Suite: key.Hybrid, Moat: true},
		SPA{Program: sallyport, Suite: key.X25519},
		Bare{},
		Ruleset{},
		Knockd{},
		Fwknopd{},
		Fwknopd{UDPServer: true},
	}
}

// Missing returns why a system cannot take part, or nothing.
func Missing(s System) string {
	if s, ok := s.(interface{ Unable() string }); ok && s.Unable() != "" {
		return s.Unable()
	}
	var missing []string
	for _, p := range s.Programs() {
		if _, err := exec.LookPath(p); err != nil {
			missing = append(missing, p)
		}
	}
	if len(missing) == 0 {
		return ""
	}
	return "not installed: " + strings.Join(missing, ", ")
}

// sequence knocks with the static sequence, the same for every source.
func sequence(context.Context, netip.Addr) (probe.Knock, error) {
	var k probe.Knock
	for _, port := range Sequence {
		k = append(k, probe.Packet{Port: port})
	}
	return k, nil
}

// firstKnocks is a flood of first knocks.
var firstKnocks = flood.Junk{Port: Sequence[0]}

// daemon starts a program on the gate that stays in the foreground. What it
// says goes to a file, as it would under a service manager.
func (site Site) daemon(ctx context.Context, env []string, name string, args ...string) (*lab.Cmd, error) {
	log, err := os.Create(filepath.Join(site.Dir, "output.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := site.Lab.Gate.Command(ctx, name, args...)
	cmd.Dir = site.Dir
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return cmd, nil
}

// write puts files into the directory of the site. They may hold secrets.
func (site Site) write(files map[string]string) error {
	for name, text := range files {
		path := filepath.Join(site.Dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// setup runs commands on the gate.
func (site Site) setup(ctx context.Context, commands []string) error {
	for _, line := range commands {
		words := strings.Fields(line)
		cmd := site.Lab.Gate.Command(ctx, words[0], words[1:]...)
		cmd.Dir = site.Dir
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", line, err, strings.TrimSpace(string(out)))
		}
	}
	return nil
}

// version returns the first line that a program says about itself.
func version(ctx context.Context, name string, args ...string) string {
	out, _ := exec.CommandContext(ctx, name, args...).CombinedOutput() // some exit with 1
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return line
}

// tail returns the end of a log.
func tail(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	const enough = 1000
	return strings.TrimSpace(string(text[max(0, len(text)-enough):]))
}
