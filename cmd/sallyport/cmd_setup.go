//go:build linux && !client_only

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"

	"sallyport/client"
	"sallyport/internal/config"
	"sallyport/internal/control"
	"sallyport/internal/phrase"
	"sallyport/internal/setup"
)

// setupCommand makes a lone server safe: a configuration, a client, and closed
// doors that open again unless that client got in.
type setupCommand struct {
	init     initCommand
	path     string // of the configuration
	client   string
	key      string // public key file; empty: the session's, or ask
	host     string // by which the client reaches this server
	wait     durationFlag
	paired   bool
	enrolled enrolment
}

func newSetup(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "setup",
		Short:   "Make a server safe in one go, without locking yourself out",
		GroupID: "server",
		Long: `Makes a configuration if there is none (see "sallyport init"), enrols your SSH key as a client, closes the doors
on trial, and waits until you have got in with that key through a new connection. Then it keeps everything and
starts the service. If nobody gets in in time, the doors open again by themselves; the kernel sees to it.

The key is the one that your SSH session was authenticated with, if sshd reveals it (ExposeAuthInfo); else it asks which.`,
		Example: "  sallyport setup\n  sallyport setup --key alice.pub --host gate.example.org --wait 10m",
		Args:    args(cobra.NoArgs),
	}
	var c setupCommand
	c.init.Setup = setup.Setup{Dir: filepath.Dir(setup.DefaultConfig), State: setup.DefaultState, Socket: setup.DefaultSocket, OpenFor: "30s", Unit: true}
	c.init.suite = "mlkem768-x25519"
	c.wait = durationFlag(5 * time.Minute)
	cmd.Flags().StringVar(&c.init.Dir, "dir", c.init.Dir, "`FOLDER` of the configuration")
	cmd.Flags().StringVar(&c.init.State, "state", c.init.State, "`FOLDER` of the state")
	cmd.Flags().StringVar(&c.init.Socket, "socket", c.init.Socket, "`PATH` of the control socket")
	cmd.Flags().StringArrayVar(&c.init.doors, "door", nil, "a door for a new configuration, `NAME=tcp/PORT` (may be repeated)")
	cmd.Flags().BoolVar(&c.init.Console, "console", false, "with a new configuration, let the console, a page for browsers, ask the daemon, and start it")
	cmd.Flags().StringVar(&c.client, "client", "", "`NAME` of the client (default: yours)")
	cmd.Flags().StringVar(&c.key, "key", "", "public key `FILE` of the client, or - for standard input")
	cmd.Flags().StringVar(&c.host, "host", "", "`HOST` by which the client reaches this server")
	cmd.Flags().Var(&c.wait, "wait", "how long to wait for the client to get in")
	cmd.Flags().BoolVar(&c.paired, "paired", false, "the client has its profile already: do not wait for that")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if c.wait < durationFlag(10*time.Second) || c.wait > durationFlag(time.Hour) {
			return usageError{fmt.Errorf("--wait %s: want 10s to 1h", phrase.Duration(time.Duration(c.wait)))}
		}
		return c.run(cmd.Context(), std)
	}
	return cmd
}

func (c *setupCommand) run(ctx context.Context, std stdio) error {
	c.path = c.init.Config()
	if _, err := os.Stat(c.path); errors.Is(err, os.ErrNotExist) {
		c.init.talk = std.asks() && len(c.init.doors) == 0
		c.init.quiet = true
		if err := c.init.run(ctx, std); err != nil {
			return err
		}
	}
	cfg, err := loadConfig(c.path)
	if err != nil {
		return advise(err)
	}
	conn := control.Dial(cfg.Daemon.Socket)
	if err := c.endEarlierTry(ctx, std.out, conn); err != nil {
		return err
	}
	if c.host == "" {
		c.host = c.address()
	}
	var d *dialog
	if std.asks() {
		talk := newDialog(ctx, std)
		talk.left = "what is written stays, and nothing was closed: sallyport setup goes on from here"
		d = &talk
	}
	if err := c.enrol(ctx, std, cfg, d); err != nil {
		return err
	}
	if err := c.handOver(std.out, d); err != nil {
		return err
	}
	return c.try(ctx, std, conn)
}

// address is how the client reaches this server, as far as can be known here:
// the address that its SSH session came to.
func (c *setupCommand) address() string {
	if s, ok := sshSession(); ok {
		return s.Server.Addr().String()
	}
	name, _ := os.Hostname()
	return name
}

// enrol makes the person who sits here a client, for all doors.
func (c *setupCommand) enrol(ctx context.Context, std stdio, cfg *config.Config, d *dialog) error {
	key, err := c.chooseKey(std.in, d)
	if err != nil {
		return err
	}
	c.enrolled = enrolment{name: c.client, key: key, reuse: true}
	if c.enrolled.name == "" {
		c.enrolled.name = client.SuggestName(person().Username)
	}
	for _, door := range cfg.Doors {
		c.enrolled.doors = append(c.enrolled.doors, door.Name)
	}
	return c.enrolled.add(ctx, io.Discard, c.path)
}

// person is who became root with sudo, or who runs this.
func person() *user.User {
	if u, err := user.Lookup(os.Getenv("SUDO_USER")); err == nil {
		return u
	}
	if u, err := user.Current(); err == nil {
		return u
	}
	return &user.User{Username: "admin"}
}

// chooseKey returns the public key to enrol: the one that is named, that of the
// session, or the one that a person chooses among those that may log in.
func (c *setupCommand) chooseKey(in io.Reader, d *dialog) (string, error) {
	if c.key != "" {
		return readKey(in, c.key)
	}
	if key, ok := sshKey(); ok {
		return key, nil
	}
	file := filepath.Join(person().HomeDir, ".ssh", "authorized_keys")
	keys := authorizedKeys(file)
	if d == nil || len(keys) == 0 {
		return "", hinted{errors.New("it is not known which key is yours"), "name its public half: sallyport setup --key FILE.pub"}
	}
	fmt.Fprintf(d.out, "\nThese keys may log in as %s (%s):\n", person().Username, file)
	for i, k := range keys {
		fmt.Fprintf(d.out, "  %d  %s %s %s\n", i+1, k.key.Type(), ssh.FingerprintSHA256(k.key), k.comment)
	}
	n := 0
	err := d.ask("Which one is yours, and becomes the way in?", "[1]", func(text string) error {
		if text == "" {
			text = "1"
		}
		var err error
		if n, err = strconv.Atoi(text); err != nil || n < 1 || n > len(keys) {
			return fmt.Errorf("%q is no number of the list", text)
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(keys[n-1].key))) + " " + keys[n-1].comment, nil
}

// authorizedKey is a key that may log in.
type authorizedKey struct {
	key     ssh.PublicKey
	comment string
}

// authorizedKeys reads the keys of a file; what cannot be read is left out.
func authorizedKeys(file string) (list []authorizedKey) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	for len(text) > 0 {
		key, comment, _, rest, err := ssh.ParseAuthorizedKey(text)
		if err != nil {
			return list
		}
		list, text = append(list, authorizedKey{key, comment}), rest
	}
	return list
}

// handOver has the person fetch the profile while the doors are still open, if
// they are: pair logs in by one of them.
func (c *setupCommand) handOver(out io.Writer, d *dialog) error {
	login := "root@" + c.host
	sudo := ""
	if u := person(); u.Uid != "0" {
		login, sudo = u.Username+"@"+c.host, " --sudo"
	}
	if c.paired {
		return nil
	}
	closed, err := tableIsThere()
	if err != nil {
		return err
	}
	now := "Nothing is closed yet."
	if closed {
		now = "Doors are closed already: if your own machine has no profile of this server, open them first (sallyport down), and run setup again."
	}
	fmt.Fprintf(out, "\n%s On your own machine, fetch the profile of this server:\n\n  sallyport pair %s%s\n\n", now, login, sudo)
	if d == nil {
		return hinted{errors.New("there is nobody here to say when that is done"), "run it there, and then here: sallyport setup --paired"}
	}
	return d.ask("Press Enter when that is done", "", func(string) error { return nil })
}

// keep hands the doors over to the service manager.
func (c *setupCommand) keep(out io.Writer, t *trialDaemon) error {
	if c.path != setup.DefaultConfig || !runsSystemd() {
		t.kept = true
		fmt.Fprintf(out, "The doors stay closed; the daemon (process %d) goes on. Have your service manager start, at each boot and before the network:\n\n  sallyport serve -c %s\n", t.cmd.Process.Pid, c.path)
		return nil
	}
	t.stop() // the table stays, and with it doors and grants
	if said, err := exec.Command("systemctl", "enable", "--now", "sallyport").CombinedOutput(); err != nil {
		return hinted{fmt.Errorf("start the service: %w", err), lastLine(string(said))}
	}
	fmt.Fprintln(out, "The doors stay closed, and the service is started at each boot. sallyport status shows it.")
	if !c.init.Console {
		return nil
	}
	if said, err := exec.Command("systemctl", "enable", "--now", "sallyport-console").CombinedOutput(); err != nil {
		return hinted{fmt.Errorf("start the console: %w", err), lastLine(string(said))}
	}
	fmt.Fprintln(out, "So is the console: sallyport console login prints a link for your browser.")
	return nil
}

// runsSystemd reports whether systemd manages this host (sd_booted(3)).
func runsSystemd() bool {
	info, err := os.Lstat("/run/systemd/system")
	return err == nil && info.IsDir()
}
