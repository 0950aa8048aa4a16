//go:build linux && !client_only

package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/config"
	"sallyport/internal/control"
	"sallyport/internal/enrolled"
	"sallyport/internal/invite"
	"sallyport/internal/key"
)

// invitation is an invite as the command line describes it.
type invitation struct {
	limits
	name  string // of the client
	path  string
	hosts []string
	page  string
	valid durationFlag
	label string
	gives bool // a secret for rotating sequences
}

func newClientInvite(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "invite NAME --door DOOR --host ADDRESS [--page URL]",
		Short: "Let a device enrol a key of its own, by a link",
		Long: `Prints a link, and shows it as a QR code where standard error is a terminal. The first device that uses the link
enrols its own key as client NAME: by "sallyport join LINK", or with --page in the browser, at the page
at URL (see sallyport page). Until then, or until it has ended, the link is as good as a key: give it to
one person, by a way that others do not read.

The running daemon keeps the invite, and the client; no file of the configuration is written. What the
client may do is fixed now. "sallyport client list" shows open invites, and "sallyport client remove"
takes one back.`,
		Example: `  sallyport client invite alice --door ssh --host 203.0.113.1
  sallyport client invite phone --door ssh --host 203.0.113.1 \
      --page https://knock.example.org/`,
		Args: args(cobra.ExactArgs(1)),
	}
	i := invitation{path: defaultConfig, valid: durationFlag(time.Hour)}
	path := configFlag(cmd)
	cmd.Flags().StringArrayVar(&i.doors, "door", nil, "a `DOOR` or group that the client may open (may be repeated)")
	cmd.Flags().StringArrayVar(&i.hosts, "host", nil, "an `ADDRESS` by which the device reaches this server (may be repeated)")
	cmd.Flags().StringVar(&i.page, "page", "", "make the link for the page at `URL`")
	cmd.Flags().Var(&i.valid, "valid", "how long the invite can be used, at most 24h")
	cmd.Flags().StringVar(&i.label, "label", "", "`TEXT` for people, shown beside the name")
	i.flags(cmd)
	cmd.Flags().BoolVar(&i.gives, "rotating", false, "give a secret for rotating sequences too, for networks that let no UDP out")
	cmd.RunE = func(cmd *cobra.Command, list []string) error {
		i.name, i.path = list[0], *path
		if len(i.doors) == 0 || len(i.hosts) == 0 {
			return usageError{hinted{errors.New("--door and --host are needed"), "usage: " + cmd.UseLine()}}
		}
		return i.run(cmd.Context(), std)
	}
	return cmd
}

func (i *invitation) run(ctx context.Context, std stdio) error {
	q, seed, err := i.request(time.Now())
	if err != nil {
		return err
	}
	cfg, err := loadKnown(i.path)
	if err != nil {
		return err
	}
	link := invite.Link{Seed: seed, Name: i.name, Port: cfg.SPA.Port, Skew: cfg.SPA.ClockSkew, Issued: time.Now().Truncate(time.Second), Doors: linkDoors(cfg, i.doors)}
	for _, text := range i.hosts {
		a, err := addressForPage(text)
		if err != nil {
			return err
		}
		link.Hosts = append(link.Hosts, a.Unmap())
	}
	if i.gives {
		link.Gate, link.Shape = cfg.Gate.Name, fmt.Sprintf("%d %s %d-%d", cfg.Rotating.Knocks, cfg.Rotating.Protos, cfg.Rotating.First, cfg.Rotating.Last)
	}
	conn, err := dial(i.path)
	if err != nil {
		return err
	}
	a, err := conn.Invite(ctx, q) // before the link is made: the daemon says what is missing
	if err != nil {
		return fmt.Errorf("invite client %q: %w", i.name, err)
	}
	ring, err := loadServerKey(cfg)
	if err != nil {
		return err
	}
	held, ok := ring.Of(key.X25519)
	if !ok {
		return errors.New("the server key of the suite x25519 is gone: sallyport server-key show")
	}
	link.ServerKey = held.Current.Public()
	return i.print(std, link, a.Until)
}

// request makes the invite, and what the daemon is to know of it.
func (i *invitation) request(now time.Time) (q control.InviteRequest, seed []byte, err error) {
	if err := i.sensible(now); err != nil {
		return q, nil, err
	}
	valid := time.Duration(i.valid)
	if valid < time.Minute || valid > enrolled.MaxValid {
		return q, nil, usageError{fmt.Errorf("--valid %s: want 1m to 24h", i.valid.String())}
	}
	q = control.InviteRequest{Client: i.name, Label: i.label, Doors: i.doors, Single: i.single, Rotating: i.gives, For: control.Duration(valid)}
	if i.page != "" {
		if q.Page, err = enrolled.Origin(i.page); err != nil {
			return q, nil, usageError{fmt.Errorf("--page: %w", err)}
		}
	}
	for _, text := range i.from {
		p, err := parseSource(text)
		if err != nil {
			return q, nil, usageError{fmt.Errorf("--from %q: %w", text, err)}
		}
		q.From = append(q.From, p)
	}
	if i.expires != "" {
		q.Expires = expiryOf(i.expires)
	}
	if i.maxOpen != "" {
		var d durationFlag
		if err := d.Set(i.maxOpen); err != nil {
			return q, nil, usageError{err}
		}
		q.MaxOpen = control.Duration(d)
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	q.Key = public
	return q, private.Seed(), err
}

// linkDoors are the doors as the link names them, groups as groups.
func linkDoors(cfg *config.Config, names []string) (list []invite.Door) {
	for _, name := range names {
		d := invite.Door{Name: name}
		if door := cfg.Door(name); door != nil {
			d.Open = door.OpenFor
		}
		list = append(list, d)
	}
	return list
}

func (i *invitation) print(std stdio, link invite.Link, until time.Time) error {
	text := link.Text()
	if i.page != "" {
		base, _, _ := strings.Cut(i.page, "#")
		text = base + "#" + text
	}
	if isTerminal(std.err) {
		if err := printCode(std.err, text); err != nil {
			return err
		}
	}
	if !isTerminal(std.err) || !isTerminal(std.out) { // else it stands below the code already
		if _, err := fmt.Fprintln(std.out, text); err != nil {
			return err
		}
	}
	how := "on the device: sallyport join LINK"
	if i.page != "" {
		how = "on the device: open the link in a browser"
	}
	fmt.Fprintf(std.err, "client %q can be enrolled until %s by the first device that uses this link; %s\nthe server's key is %s\n",
		i.name, until.Local().Format(time.DateTime), how, link.ServerKey.Fingerprint())
	return nil
}
