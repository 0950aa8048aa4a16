//go:build linux && !client_only

package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/client"
	"sallyport/internal/config"
	"sallyport/internal/key"
	"sallyport/internal/packet"
	"sallyport/internal/setup"
)

// initCommand makes a first configuration.
type initCommand struct {
	setup.Setup
	suite string
	doors []string // as flags name them

	observed string // the record that doors are taken from; empty: none
	talk     bool
	quiet    bool // say what was chosen, but not what to do next
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
	var c initCommand
	cmd.Flags().StringVar(&c.Dir, "dir", filepath.Dir(setup.DefaultConfig), "`FOLDER` of the configuration")
	cmd.Flags().StringVar(&c.State, "state", setup.DefaultState, "`FOLDER` of the state (with --dir: state in that folder)")
	cmd.Flags().StringVar(&c.Socket, "socket", setup.DefaultSocket, "`PATH` of the control socket")
	cmd.Flags().StringVar(&c.suite, "suite", key.Hybrid.String(), "`SUITE` of the server key: mlkem768-x25519, or x25519 for ECDSA and RSA keys")
	cmd.Flags().BoolVar(&c.Sequences, "with-sequence", false, "give each door a random sequence too")
	cmd.Flags().StringVar(&c.OpenFor, "open-for", "30s", "how `LONG` doors stay open to who knocked")
	cmd.Flags().StringArrayVar(&c.doors, "door", nil, "a door, `NAME=tcp/PORT` or NAME=udp/FIRST-LAST (may be repeated)")
	cmd.Flags().StringVar(&c.observed, "from-observed", "", "the doors that sallyport observe suggests; `FILE` if it is not the usual one")
	cmd.Flags().Lookup("from-observed").NoOptDefVal = defaultObserved
	cmd.MarkFlagsMutuallyExclusive("door", "from-observed")
	cmd.Flags().BoolVar(&c.Console, "console", false, "let the console, a page for browsers, ask the daemon")
	yes := cmd.Flags().BoolP("yes", "y", false, "ask nothing")
	noUnit := cmd.Flags().Bool("no-unit", false, "make no systemd unit")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c.Unit = !*noUnit
		if cmd.Flags().Changed("dir") && !cmd.Flags().Changed("state") {
			c.State = filepath.Join(c.Dir, "state") // what is tried elsewhere leaves the usual place alone
		}
		c.talk = std.asks() && !*yes && len(c.doors) == 0
		return c.run(cmd.Context(), std)
	}
	return cmd
}

func (c *initCommand) run(ctx context.Context, std stdio) (err error) {
	if err := c.Clear(); err != nil {
		return advise(err)
	}
	if c.Suite, err = key.ParseSuite(c.suite); err != nil {
		return usageError{err}
	}
	if err := c.prepare(); err != nil {
		return err
	}
	if c.talk {
		if err := ask(ctx, std, &c.Setup); err != nil {
			return err
		}
	}
	text, err := c.Text()
	if err != nil {
		return err
	}
	cfg, err := loadWith(c.Config(), c.Config(), text)
	if err != nil {
		return fmt.Errorf("the configuration would not be good, so nothing was written: %w", err)
	}
	ring, err := c.Write(ctx, text)
	if err != nil {
		return advise(fmt.Errorf("initialise: %w", err))
	}
	printSetup(std.out, &c.Setup, cfg, ring.Current().Public())
	if !c.quiet {
		printNext(std.out, &c.Setup, cfg)
	}
	return nil
}

// prepare looks at the host and settles what flags say.
func (c *initCommand) prepare() (err error) {
	if c.Unit {
		if c.Unit, err = c.NeedsUnit(); err != nil {
			return err
		}
	}
	if c.Host, err = setup.Look(); err != nil {
		return err
	}
	c.Doors = c.Propose()
	if c.observed != "" {
		if c.doors, err = observedDoors(c.observed); err != nil {
			return err
		}
	}
	if len(c.doors) == 0 {
		return nil
	}
	c.Doors = nil
	for _, text := range c.doors {
		d, err := setup.ParseDoor(text)
		if err != nil {
			return usageError{hinted{fmt.Errorf("--door %q: %w", text, err), "such as --door ssh=tcp/22"}}
		}
		c.Doors = append(c.Doors, d)
	}
	return nil
}

// printSetup prints what was chosen, but no sequence.
func printSetup(w io.Writer, s *setup.Setup, cfg *config.Config, public key.Public) {
	fmt.Fprintf(w, "wrote       %s\n", cfg.Path)
	if s.Unit {
		fmt.Fprintln(w, "wrote       /etc/systemd/system/sallyport.service")
	}
	kept := ""
	if s.KeyKept {
		kept = ", which was there already and stays"
	}
	fmt.Fprintf(w, "SPA port    udp/%d\nserver key  %s (%s)\n            %s%s\n", cfg.SPA.Port, public.Fingerprint(), public.Suite(), s.KeyPath(), kept)
	for _, d := range cfg.Doors {
		fmt.Fprintf(w, "door        %s: %s", d.Name, strings.Join(packet.Spell(d.Ports), " "))
		if len(d.Sequence) > 0 {
			fmt.Fprintf(w, ", with a sequence of %d knocks", len(d.Sequence))
		}
		fmt.Fprintln(w)
	}
}

// printNext prints what to do after init.
func printNext(w io.Writer, s *setup.Setup, cfg *config.Config) {
	flag := ""
	if cfg.Path != setup.DefaultConfig {
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
  %[5]s
`, flag, cfg.Doors[0].Name, s.Address(), client.SuggestName(s.Address()), startWith(flag, setup.HasSystemd()))
	if s.Console {
		fmt.Fprintf(w, "And the console:\n  %s\n  sallyport console login\n", startConsole(setup.HasSystemd()))
	}
}

// startConsole is how the console is started.
func startConsole(systemd bool) string {
	if systemd {
		return "systemctl enable --now sallyport-console"
	}
	return "sallyport console   (as the user sallyport-console)"
}

// startWith is how the daemon is started: by systemd where that runs this host
// and its unit fits the configuration.
func startWith(flag string, systemd bool) string {
	switch {
	case flag != "":
		return "sallyport serve" + flag
	case systemd:
		return "systemctl enable --now sallyport"
	}
	return "sallyport serve   (there is no systemd here: have your own init start it, before the network)"
}
