package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/client"
	"sallyport/internal/config"
	"sallyport/internal/key"
	"sallyport/internal/packet"
)

// Where things are unless flags say otherwise.
const (
	defaultState  = "/var/lib/sallyport"
	defaultSocket = "/run/sallyport/control.sock"
)

// setup is a new configuration.
type setup struct {
	host
	dir, state, socket string
	suite              string
	openFor            string
	doors              []doorway
	sequences          bool
	unit               bool     // make the systemd unit
	made               []string // folders and files, in the order of their making
}

func newInit(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "init",
		Short:   "Make a first configuration and the server key",
		GroupID: "server",
		Long: `Looks at this host, asks what to guard, and writes a commented configuration with a random SPA
port, the server key and, where no package has brought it, the systemd unit. It closes nothing: that is
what "sallyport serve" does. What is there already is never overwritten.

Without a terminal, or with --door or --yes, it asks nothing. Doors are then those of --door, or sshd
and what else should not be public.`,
		Example: "  sallyport init\n  sallyport init --door ssh=tcp/22 --door web=tcp/8443",
		Args:    args(cobra.NoArgs),
	}
	var s setup
	cmd.Flags().StringVar(&s.dir, "dir", filepath.Dir(defaultConfig), "`FOLDER` of the configuration")
	cmd.Flags().StringVar(&s.state, "state", defaultState, "`FOLDER` of the state")
	cmd.Flags().StringVar(&s.socket, "socket", defaultSocket, "`PATH` of the control socket")
	cmd.Flags().StringVar(&s.suite, "suite", key.Hybrid.String(), "of the server key: mlkem768-x25519, or x25519 for ECDSA and RSA keys")
	cmd.Flags().BoolVar(&s.sequences, "with-sequence", false, "give each door a random sequence too")
	cmd.Flags().StringVar(&s.openFor, "open-for", "30s", "how `LONG` doors stay open to who knocked")
	doors := cmd.Flags().StringArray("door", nil, "a door, `NAME=tcp/PORT` or NAME=udp/FIRST-LAST (again for more)")
	yes := cmd.Flags().BoolP("yes", "y", false, "ask nothing")
	noUnit := cmd.Flags().Bool("no-unit", false, "make no systemd unit")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		s.unit = !*noUnit
		talk := std.asks() && !*yes && len(*doors) == 0
		return s.run(cmd.Context(), std, *doors, talk)
	}
	return cmd
}

func (s *setup) run(ctx context.Context, std stdio, doors []string, talk bool) error {
	path, err := s.paths()
	if err != nil {
		return err
	}
	suite, err := key.ParseSuite(s.suite)
	if err != nil {
		return usageError{err}
	}
	if err := s.prepare(doors); err != nil {
		return err
	}
	if talk {
		if err := s.talk(ctx, std, path); err != nil {
			return err
		}
	}
	text, err := s.text()
	if err != nil {
		return err
	}
	cfg, err := loadWith(path, path, text)
	if err != nil {
		return fmt.Errorf("the configuration would not be good, so nothing was written: %w", err)
	}
	ring, err := s.write(ctx, path, text, suite)
	if err != nil {
		return advise(fmt.Errorf("initialise: %w", err))
	}
	s.tell(std.out, cfg, ring.Current().Public())
	return nil
}

// prepare looks at the host and settles what flags say.
func (s *setup) prepare(doors []string) (err error) {
	if s.unit {
		if s.unit, err = s.needsUnit(); err != nil {
			return err
		}
	}
	if s.host, err = lookAround(); err != nil {
		return err
	}
	s.doors = s.proposed()
	if len(doors) == 0 {
		return nil
	}
	s.doors = nil
	for _, text := range doors {
		d, err := parseDoorway(text)
		if err != nil {
			return usageError{hinted{fmt.Errorf("--door %q: %w", text, err), "such as --door ssh=tcp/22"}}
		}
		s.doors = append(s.doors, d)
	}
	return nil
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

// tell says what was chosen, but no sequence, and what to do next.
func (s *setup) tell(w io.Writer, cfg *config.Config, public key.Public) {
	fmt.Fprintf(w, "wrote       %s\n", cfg.Path)
	if s.unit {
		fmt.Fprintln(w, "wrote       /etc/systemd/system/sallyport.service")
	}
	fmt.Fprintf(w, "SPA port    udp/%d\nserver key  %s (%s)\n", cfg.SPA.Port, public.Fingerprint(), public.Suite())
	for _, d := range cfg.Doors {
		fmt.Fprintf(w, "door        %s: %s", d.Name, strings.Join(packet.Spell(d.Ports), " "))
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
Nothing is closed yet. Next, for each person or device (--rotating instead of --key where there is no SSH key):
  sallyport client add NAME --key FILE.pub --door %[2]s --host %[3]s%[1]s > NAME.profile
and there, with that file:
  sallyport add NAME.profile
  sallyport ssh %[4]s
Then close the doors. The session you are in is not cut:
  sallyport check%[1]s
  sallyport serve%[1]s   (or: systemctl enable --now sallyport)
`, flag, cfg.Doors[0].Name, s.address(), client.SuggestName(s.address()))
}
