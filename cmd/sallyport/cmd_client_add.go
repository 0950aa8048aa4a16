//go:build linux && !client_only

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"

	"sallyport/internal/config"
	"sallyport/internal/enrolled"
	"sallyport/internal/fleet/roll"
	"sallyport/internal/inert"
	"sallyport/internal/passkey"
	"sallyport/internal/sequence"
)

// enrolment is a client as the command line describes it.
type enrolment struct {
	name, key string          // key is empty for a client with a secret only
	secret    sequence.Secret // for rotating sequences; zero: none
	limits
	browser bool // its messages may come in STUN
	suites  []string
	reuse   bool // a client that has the key already will do
}

func newClientAdd(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "add NAME {--key FILE|- | --rotating} --door DOOR",
		Short: "Let the holder of an SSH key, or of a new secret, knock",
		Example: `  sallyport client add alice --key alice.pub --door ssh
  sallyport client add alice --key alice.pub --door ssh \
      --host gate.example.org > alice.profile
  sallyport client add bob --rotating --door ssh \
      --host gate.example.org > bob.profile
  sallyport client add phone --key - --browser --door ssh`,
		Long: `Writes conf.d/client-NAME.toml beside the configuration, and has the daemon take it into use.
Nothing is written that the configuration would not accept.

With --rotating the client gets a secret for rotating sequences, which is part of its profile. With --host, too,
it is shown as a QR code if standard error is a terminal.

With --fleet an operator signs the client into the roll of the fleet, from any machine, and it may knock at all
gates; --profiles writes its profile for each of them.`,
		Args: args(cobra.ExactArgs(1)),
	}
	path := configFlag(cmd)
	var e enrolment
	host := cmd.Flags().String("host", "", "print the client's profile too, for reaching this server at `HOST`")
	cmd.Flags().StringVar(&e.key, "key", "", "public key `FILE`, or - for standard input")
	rotating := cmd.Flags().Bool("rotating", false, "make a secret for rotating sequences")
	cmd.Flags().StringArrayVar(&e.doors, "door", nil, "a `DOOR` that the client may open (may be repeated)")
	e.flags(cmd)
	cmd.Flags().BoolVar(&e.browser, "browser", false, "the key is that of a pocket page: take its messages as browsers send them (see sallyport page)")
	cmd.Flags().StringArrayVar(&e.suites, "suite", nil, "a `SUITE` that its messages may have: mlkem768-x25519 or x25519 (may be repeated; default: each)")
	f := fleetFlag(cmd, std, "sign the client into the roll: it may knock at all gates of the fleet")
	f.placeFlags(cmd)
	cmd.Flags().BoolVar(&e.reuse, "reuse", false, "if a client has this key already, leave it as it is and print its profile")
	cmd.RunE = func(cmd *cobra.Command, list []string) error {
		e.name = list[0]
		if err := f.alone(cmd, "host", "reuse", "suite", "config"); err != nil {
			return err
		}
		if *host != "" {
			if err := checkHost(*host); err != nil {
				return err
			}
		}
		if err := e.complete(cmd, std, *rotating); err != nil {
			return err
		}
		if f.on {
			return e.addToFleet(cmd.Context(), f)
		}
		if *host == "" {
			return e.add(cmd.Context(), std.out, *path)
		}
		if err := e.add(cmd.Context(), std.err, *path); err != nil {
			return err
		}
		return e.printProfile(std, *path, *host)
	}
	return cmd
}

// complete checks what was asked for, and reads the key or makes the secret.
func (e *enrolment) complete(cmd *cobra.Command, std stdio, rotating bool) error {
	if err := e.sensible(time.Now()); err != nil {
		return err
	}
	if e.key == "" && !rotating || len(e.doors) == 0 {
		return usageError{hinted{errors.New("--key or --rotating, and --door, are needed"), "usage: " + cmd.UseLine()}}
	}
	if e.key != "" {
		key, err := readKey(std.in, e.key)
		if err != nil {
			return err
		}
		e.key = key
		kind, _, _ := strings.Cut(key, " ")
		e.browser = e.browser || passkey.IsType(kind) // they sign nowhere else
	}
	if rotating {
		e.secret = newSecret()
	}
	return nil
}

// enrolled returns the client that has the key of the enrolment.
func (e *enrolment) enrolled(cfg *config.Config) *config.Client {
	var key ssh.PublicKey
	key, err := passkey.Parse(e.key)
	if err != nil {
		if key, _, _, _, err = ssh.ParseAuthorizedKey([]byte(e.key)); err != nil {
			return nil
		}
	}
	for i := range cfg.Clients {
		if c := &cfg.Clients[i]; c.Key != nil && bytes.Equal(c.Key.Marshal(), key.Marshal()) {
			return c
		}
	}
	return nil
}

// toml is the file that adds the client.
func (e *enrolment) toml() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Made by sallyport client add on %s.\n\n[[client]]\nname  = %s\ndoors = [%s]\n",
		time.Now().Format(time.DateOnly), config.Quote(e.name), quoted(e.doors))
	if e.key != "" {
		fmt.Fprintf(&b, "key   = %s\n", config.Quote(e.key))
	}
	if !e.secret.IsZero() {
		fmt.Fprintf(&b, "rotating = %s\nchanged  = %s\n", config.Quote(e.secret.Text()), time.Now().UTC().Format(time.DateOnly))
	}
	if len(e.from) > 0 {
		fmt.Fprintf(&b, "from  = [%s]\n", quoted(e.from))
	}
	if e.expires != "" {
		fmt.Fprintf(&b, "expires = %s\n", config.Quote(e.expires))
	}
	if e.maxOpen != "" {
		fmt.Fprintf(&b, "max_open = %s\n", config.Quote(e.maxOpen))
	}
	if e.single {
		b.WriteString("single = true\n")
	}
	if e.browser {
		b.WriteString("stun  = true\n")
	}
	if len(e.suites) > 0 {
		fmt.Fprintf(&b, "suites = [%s]\n", quoted(e.suites))
	}
	return b.Bytes()
}

// add writes the file, if the configuration is good with it, and has it used.
func (e *enrolment) add(ctx context.Context, w io.Writer, path string) error {
	file, err := clientFile(path, e.name)
	if err != nil {
		return err
	}
	if cfg, err := loadConfig(path); err == nil && e.reuse {
		if c := e.enrolled(cfg); c != nil {
			e.name = c.Name
			fmt.Fprintf(w, "client %q has this key already; it may open %s\n", c.Name, strings.Join(c.Doors, ", "))
			return nil
		}
	}
	if cfg, err := loadKnown(path); err == nil {
		if c := findClient(cfg, e.name); c != nil && enrolled.Is(cfg, c) {
			return hinted{fmt.Errorf("client %q is there already: it has enrolled itself with an invite", e.name), "sallyport client remove " + e.name + " removes it"}
		}
	}
	if _, err := os.Lstat(file); err == nil {
		return hinted{fmt.Errorf("client %q is there already: %s", e.name, file), "sallyport client remove " + e.name + " removes it"}
	}
	before, err := loadConfig(path)
	if err != nil {
		if errors.As(err, new(interface{ Hint() string })) { // it is not there, or not readable
			return err
		}
		return hinted{err, "the configuration must be good before a client can be added: sallyport check"}
	}
	text := e.toml()
	cfg, err := loadWith(path, file, text)
	switch {
	case err != nil && e.browser && !before.SPA.STUN:
		return hinted{fmt.Errorf("add client %q: %w", e.name, err), "this lets messages come from browsers: sallyport config set spa.stun true"}
	case err != nil:
		return fmt.Errorf("add client %q: %w", e.name, err)
	}
	if err := checkSuite(cfg, findClient(cfg, e.name)); err != nil {
		return fmt.Errorf("add client %q: %w", e.name, err)
	}
	if err := writeBeside(path, file, text); err != nil {
		return advise(fmt.Errorf("add client %q: %w", e.name, err))
	}
	if err := reloadIfRunning(ctx, w, cfg, false); err != nil {
		return errors.Join(fmt.Errorf("add client %q: %w", e.name, err), os.Remove(file))
	}
	fmt.Fprintf(w, "client %q may open %s (%s)\n", e.name, strings.Join(e.doors, ", "), file)
	if cfg.SPA.Port == 0 && e.key != "" {
		fmt.Fprintln(w, "SPA is off: set port in [spa], or nobody can use a key")
	}
	return nil
}

// printProfile prints what the new client needs.
func (e *enrolment) printProfile(std stdio, path, host string) error {
	p, err := makeProfile(path, e.name, host, 0)
	if err != nil {
		return err
	}
	if p.Host != host {
		fmt.Fprintf(std.err, "in the profile %s is %s, the form that every resolver knows\n", inert.Text(host), p.Host)
	}
	if !p.Rotating.IsZero() && isTerminal(std.err) {
		if err := printQR(std.err, p); err != nil {
			return err
		}
	}
	if _, err := std.out.Write(p.Marshal()); err != nil {
		return hinted{fmt.Errorf("print the profile: %w", err), "the client is enrolled; this prints it again: sallyport client profile " + e.name + " --host " + p.Host}
	}
	return nil
}

// member returns what the roll is to hold of a new client, but for its secret.
func (e *enrolment) member(f *forFleet) (roll.Client, error) {
	c := roll.Client{Name: e.name, Doors: e.doors, Gates: f.gates, Groups: f.groups, Single: e.single, STUN: e.browser}
	if e.key != "" {
		k, err := config.ParseKey(e.key)
		if err != nil {
			return c, fmt.Errorf("the key: %w", err)
		}
		c.Key, c.STUN = roll.KeyText(k), e.browser || passkey.IsType(k.Type())
	}
	for _, text := range e.from {
		p, err := parseSource(text)
		if err != nil {
			return c, usageError{fmt.Errorf("--from %q: %w", text, err)}
		}
		c.From = append(c.From, p)
	}
	if e.expires != "" {
		c.Expires = expiryOf(e.expires).UTC().Truncate(time.Second)
	}
	if e.maxOpen != "" {
		var d durationFlag
		if err := d.Set(e.maxOpen); err != nil {
			return c, usageError{err}
		}
		c.MaxOpen = time.Duration(d).Truncate(time.Second)
	}
	return c, nil
}

// addToFleet enrols a client at all gates.
func (e *enrolment) addToFleet(ctx context.Context, f *forFleet) error {
	c, err := e.member(f)
	if err != nil {
		return err
	}
	d, err := openFleet(ctx)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := f.placed(d); err != nil {
		return err
	}
	if err := d.Give(&c, e.secret); err != nil {
		return err
	}
	return f.enrol(ctx, d, roll.ClientAdd{Client: c}, c, e.secret)
}
