package main

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/internal/config"
	"sallyport/internal/key"
	"sallyport/internal/netstate"
	"sallyport/internal/packet"
)

// setup is a new configuration.
type setup struct {
	dir, state, socket, suite string
	doors                     []string // NAME=tcp/22
	sequences                 bool
	taken                     map[packet.Port]bool // ports that cannot be knocks
	below                     uint16               // first ephemeral port
	made                      []string             // folders and files, in the order of their making
}

func newInit(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "init",
		Short:   "Make a first configuration and the server key",
		GroupID: "server",
		Long: `Writes a commented configuration with a random SPA port, and makes the server key. It closes
nothing: that is what "sallyport serve" does. What is there already is never overwritten.`,
		Args: args(cobra.NoArgs),
	}
	var s setup
	cmd.Flags().StringVar(&s.dir, "dir", filepath.Dir(defaultConfig), "`FOLDER` of the configuration")
	cmd.Flags().StringVar(&s.state, "state", "/var/lib/sallyport", "`FOLDER` of the state")
	cmd.Flags().StringVar(&s.socket, "socket", "/run/sallyport/control.sock", "`PATH` of the control socket")
	cmd.Flags().StringArrayVar(&s.doors, "door", []string{"ssh=tcp/22"}, "a door, `NAME=tcp/PORT` (again for more)")
	cmd.Flags().StringVar(&s.suite, "suite", key.Hybrid.String(), "of the server key: mlkem768-x25519, or x25519 for ECDSA and RSA keys")
	cmd.Flags().BoolVar(&s.sequences, "with-sequence", false, "give each door a random sequence too")
	cmd.RunE = func(*cobra.Command, []string) error { return s.run(std) }
	return cmd
}

func (s *setup) run(std stdio) error {
	path, err := s.paths()
	if err != nil {
		return err
	}
	suite, err := key.ParseSuite(s.suite)
	if err != nil {
		return usageError{err}
	}
	if err := s.look(); err != nil {
		return err
	}
	text, err := s.text()
	if err != nil {
		return err
	}
	cfg, err := loadWith(path, path, text)
	if err != nil {
		return fmt.Errorf("the configuration would not be good, so nothing was written: %w", err)
	}
	ring, err := s.write(path, text, suite)
	if err != nil {
		return advise(fmt.Errorf("initialise: %w", err))
	}
	s.tell(std.out, cfg, ring.Current().Public())
	return nil
}

// tell says what was chosen, but no sequence, and what to do next.
func (s *setup) tell(w io.Writer, cfg *config.Config, public key.Public) {
	fmt.Fprintf(w, "wrote       %s\nSPA port    udp/%d\nserver key  %s (%s)\n", cfg.Path, cfg.SPA.Port, public.Fingerprint(), public.Suite())
	for _, d := range cfg.Doors {
		fmt.Fprintf(w, "door        %s: %s", d.Name, d.Ports[0])
		if len(d.Sequence) > 0 {
			fmt.Fprintf(w, ", with a sequence of %d knocks", len(d.Sequence))
		}
		fmt.Fprintln(w)
	}
	flag := ""
	if cfg.Path != defaultConfig {
		flag = " -c " + cfg.Path
	}
	fmt.Fprintf(w, `
Nothing is closed yet. Next:
  sallyport client add NAME --key FILE.pub --door %[2]s%[1]s
  sallyport client profile NAME --host HOST%[1]s > NAME.profile   (for the client: sallyport add NAME.profile)
  sallyport check%[1]s
  sallyport serve%[1]s   (or: systemctl enable --now sallyport)
`, flag, cfg.Doors[0].Name)
}

// paths makes the folders absolute and makes sure that nothing is overwritten.
func (s *setup) paths() (string, error) {
	for _, p := range []*string{&s.dir, &s.state, &s.socket} {
		absolute, err := filepath.Abs(*p)
		if err != nil {
			return "", fmt.Errorf("initialise: %w", err)
		}
		*p = absolute
	}
	path := filepath.Join(s.dir, filepath.Base(defaultConfig))
	for _, p := range []string{path, s.keyPath()} {
		if _, err := os.Lstat(p); !errors.Is(err, fs.ErrNotExist) {
			if err == nil {
				err = fmt.Errorf("%s is there already", p)
			}
			return "", hinted{err, "nothing was changed; move it away to begin anew"}
		}
	}
	return path, nil
}

func (s *setup) keyPath() string { return filepath.Join(s.state, "server.key") }

// look finds out which ports cannot be knocks on this host.
func (s *setup) look() error {
	listeners, err := netstate.Listeners()
	if err != nil {
		return err
	}
	if s.below, _, err = netstate.EphemeralRange(); err != nil {
		return err
	}
	s.taken = make(map[packet.Port]bool)
	for _, p := range listeners {
		s.taken[p] = true
	}
	for _, d := range s.doors {
		_, port, _ := strings.Cut(d, "=")
		p, err := packet.ParsePort(port)
		if err != nil {
			return usageError{hinted{fmt.Errorf("--door %q: %w", d, err), "such as --door ssh=tcp/22"}}
		}
		s.taken[p] = true
	}
	return nil
}

// lowestKnock keeps clear of the ports that services have by name.
const lowestKnock = 1024

// pick returns a random port that nothing else uses.
func (s *setup) pick(protocols ...packet.Proto) (packet.Port, error) {
	if int(s.below) < lowestKnock+1000+len(s.taken) {
		return packet.Port{}, hinted{fmt.Errorf("ephemeral ports begin at %d: there is no room for knock ports", s.below), "raise net.ipv4.ip_local_port_range"}
	}
	for {
		n, err := rand.Int(rand.Reader, big.NewInt(int64(s.below-lowestKnock)*int64(len(protocols))))
		if err != nil {
			return packet.Port{}, err
		}
		v := int(n.Int64())
		p := packet.Port{Proto: protocols[v%len(protocols)], Number: uint16(lowestKnock + v/len(protocols))}
		if !s.taken[p] {
			s.taken[p] = true
			return p, nil
		}
	}
}

// sequenceLength gives about 80 bits.
const sequenceLength = 5

// sequence picks knocks that are in no order.
func (s *setup) sequence() ([]packet.Port, error) {
	for {
		var list []packet.Port
		for range sequenceLength {
			p, err := s.pick(packet.TCP, packet.UDP)
			if err != nil {
				return nil, err
			}
			list = append(list, p)
		}
		byNumber := func(a, b packet.Port) int { return int(a.Number) - int(b.Number) }
		falling := func(a, b packet.Port) int { return int(b.Number) - int(a.Number) }
		if !slices.IsSortedFunc(list, byNumber) && !slices.IsSortedFunc(list, falling) {
			return list, nil
		}
	}
}

// text is the configuration.
func (s *setup) text() ([]byte, error) {
	spaPort, err := s.pick(packet.UDP)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, `# Sallyport. After a change: sallyport check, then sallyport reload.
# Clients and doors can also stand in files of their own, in conf.d/*.toml.

[daemon]
state_dir = %q
socket    = %q

[gate]
policy  = "doors"   # only doors are closed; "all" closes everything but what is public
closed  = "drop"    # or "reject", where this host's other closed ports answer
trusted = []        # sources that are never gated, such as ["192.168.1.0/24"]

[spa]
port = %d        # UDP; looks like every other closed port
`, s.state, s.socket, spaPort.Number)
	for _, d := range s.doors {
		name, port, _ := strings.Cut(d, "=")
		fmt.Fprintf(&b, "\n[[door]]\nname     = %q\nports    = [%q]\nopen_for = \"30s\"\n", name, port)
		if !s.sequences {
			continue
		}
		sequence, err := s.sequence()
		if err != nil {
			return nil, err
		}
		var words []string
		for _, p := range sequence {
			words = append(words, strconv.Quote(p.String()))
		}
		fmt.Fprintf(&b, "sequence = [%s]   # a secret\nwithin   = \"10s\"\n", strings.Join(words, ", "))
	}
	return b.Bytes(), nil
}
