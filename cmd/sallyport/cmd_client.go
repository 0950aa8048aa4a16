package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"

	"sallyport/client"
	"sallyport/internal/config"
	"sallyport/internal/control"
	"sallyport/internal/inspect"
	"sallyport/internal/packet"
)

func newClient(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "client",
		Short:   "Enrol clients on the server",
		GroupID: "server",
		Args:    args(cobra.NoArgs),
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newClientAdd(std), newClientList(std), newClientRemove(std), newClientProfile(std), newClientRotate(std))
	return cmd
}

// clientFile is where a client's file belongs. The name must be fit for one.
func clientFile(path, name string) (string, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("find the configuration: %w", err)
	}
	plain := name != "" && len(name) <= 32 && !strings.HasPrefix(name, ".") && !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && !strings.ContainsRune("._-", r)
	})
	if !plain {
		return "", usageError{fmt.Errorf("client name %q: want 1 to 32 of a-z, 0-9, dot, dash and underscore", name)}
	}
	return filepath.Join(filepath.Dir(absolute), "conf.d", "client-"+name+".toml"), nil
}

// advise adds the usual remedy to a failure of the file system.
func advise(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return hinted{err, "run it as root (sudo)"}
	}
	return err
}

// reloadIfRunning has a running daemon take the configuration into use, unless
// that would bring back what was rolled back, or lock out who asks.
func reloadIfRunning(ctx context.Context, w io.Writer, cfg *config.Config, force bool) error {
	q := control.ReloadRequest{Implied: true, Force: force}
	fromSession(&q)
	a, err := control.Dial(cfg.Daemon.Socket).Change(ctx, q)
	switch {
	case err == nil:
		for _, text := range a.Warnings {
			fmt.Fprintf(w, "! %s\n", text)
		}
		fmt.Fprintln(w, "the daemon has taken it into use")
		return nil
	case control.NotRunning(err):
		fmt.Fprintln(w, "no daemon is running; the next one will know")
		return nil
	}
	return fmt.Errorf("have the daemon use it: %w", err)
}

func newClientList(std stdio) *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List clients", Args: args(cobra.NoArgs)}
	path := configFlag(cmd)
	asJSON := cmd.Flags().Bool("json", false, "print JSON")
	cmd.RunE = func(*cobra.Command, []string) error {
		cfg, err := loadConfig(*path)
		if err != nil {
			return err
		}
		list := listed(cfg)
		if *asJSON {
			printJSON(std.out, list)
			return nil
		}
		table(std.out, func(row func(...any)) {
			row("CLIENT", "DOORS", "KEY", "ROTATING", "EXPIRES", "DEFINED AT")
			for _, c := range list {
				row(c.Name, strings.Join(c.Doors, " "), cmp.Or(c.Key, "none"), yesNo(c.Rotating), cmp.Or(c.Expires, "never"), c.Place)
			}
		})
		return nil
	}
	return cmd
}

// listedClient is a client as it is shown.
type listedClient struct {
	Name     string   `json:"name"`
	Doors    []string `json:"doors"`
	Key      string   `json:"key"`      // type and fingerprint; empty: none
	Rotating bool     `json:"rotating"` // it has a secret for rotating sequences
	Expires  string   `json:"expires,omitempty"`
	Place    string   `json:"place"`
}

func listed(cfg *config.Config) []listedClient {
	list := []listedClient{}
	for _, c := range cfg.Clients {
		entry := listedClient{Name: c.Name, Doors: c.Doors, Key: keyText(c.Key), Rotating: !c.Rotating.Current.IsZero(), Place: c.Place.String()}
		if !c.Expires.IsZero() {
			entry.Expires = c.Expires.Format(time.RFC3339)
		}
		list = append(list, entry)
	}
	return list
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func keyText(k ssh.PublicKey) string {
	if k == nil {
		return ""
	}
	return k.Type() + " " + ssh.FingerprintSHA256(k)
}

func newClientRemove(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "remove NAME",
		Short: "Take a client's right to knock away, and its grants",
		Long: `Removes conf.d/client-NAME.toml, which sallyport client add has written, and has the daemon forget the
client. Clients that are defined elsewhere are removed there.`,
		Args: args(cobra.ExactArgs(1)),
	}
	path := configFlag(cmd)
	force := cmd.Flags().Bool("force", false, "even if nobody else can open the door of this session from here")
	cmd.RunE = func(cmd *cobra.Command, list []string) error {
		file, err := clientFile(*path, list[0])
		if err != nil {
			return err
		}
		if _, err := os.Lstat(file); errors.Is(err, fs.ErrNotExist) {
			return notHere(*path, list[0])
		}
		return removeClient(cmd.Context(), std.out, *path, list[0], file, *force)
	}
	return cmd
}

// removeClient removes the file of a client. It does so in a broken
// configuration too, which may be broken because of that file.
func removeClient(ctx context.Context, w io.Writer, path, name, file string, force bool) error {
	if cfg, err := loadConfig(path); err == nil {
		if err := missed(cfg, name); err != nil && !force {
			return err
		}
		if other := alsoIn(cfg, file, name); other != "" {
			return hinted{fmt.Errorf("%s defines %s too", file, other), "remove the client there by hand, then: sallyport reload"}
		}
	}
	if err := os.Remove(file); err != nil {
		return advise(fmt.Errorf("remove client %q: %w", name, err))
	}
	fmt.Fprintf(w, "client %q is removed (%s)\n", name, file)
	cfg, err := loadConfig(path)
	if err == nil {
		err = reloadIfRunning(ctx, w, cfg, force)
	}
	if err != nil {
		return hinted{fmt.Errorf("a running daemon lets the client in until it has reloaded: %w", err), "when the configuration is good: sallyport reload"}
	}
	return nil
}

// missed refuses to remove the only one who can open the door that this very
// session came through, from where it came.
func missed(cfg *config.Config, name string) error {
	s, ok := inspect.CurrentSession()
	if !ok {
		return nil
	}
	without := *cfg
	without.Clients = slices.DeleteFunc(slices.Clone(cfg.Clients), func(c config.Client) bool { return c.Name == name })
	port, now := packet.Port{Proto: packet.TCP, Number: s.Server.Port()}, time.Now()
	if cfg.WayIn(s.Client.Addr(), port, now) == "" || without.WayIn(s.Client.Addr(), port, now) != "" {
		return nil
	}
	return hinted{fmt.Errorf("this would lock you out: nobody but client %q can open %s from %s, where you are", name, port, s.Client.Addr()),
		"enrol another client first (sallyport client add), or use --force; your session goes on in any case"}
}

// alsoIn names something that a file defines beside the client, or is empty.
func alsoIn(cfg *config.Config, file, name string) string {
	for _, c := range cfg.Clients {
		if c.Place.File == file && c.Name != name {
			return fmt.Sprintf("client %q", c.Name)
		}
	}
	for _, d := range cfg.Doors {
		if d.Place.File == file {
			return fmt.Sprintf("door %q", d.Name)
		}
	}
	return ""
}

// notHere says where a client is defined that has no file of its own.
func notHere(path, name string) error {
	cfg, err := loadConfig(path)
	if err != nil {
		return err
	}
	if c := findClient(cfg, name); c != nil {
		return hinted{fmt.Errorf("client %q is defined at %s", name, c.Place), "remove it there, then: sallyport reload"}
	}
	return hinted{fmt.Errorf("there is no client %q", name), "sallyport client list shows them"}
}

func findClient(cfg *config.Config, name string) *config.Client {
	i := slices.IndexFunc(cfg.Clients, func(c config.Client) bool { return c.Name == name })
	if i < 0 {
		return nil
	}
	return &cfg.Clients[i]
}

func newClientProfile(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "profile NAME --host HOST",
		Short: "Print what a client needs to know of this server",
		Long: `Prints a profile, which the client reads with "sallyport add". It holds the server's public key,
which is for clients only: whoever has it can make the server do work, though never open a door.`,
		Example: "  sallyport client profile alice --host gate.example.org > alice.profile",
		Args:    args(cobra.ExactArgs(1)),
	}
	path := configFlag(cmd)
	host := cmd.Flags().String("host", "", "name or address by which the client reaches this server")
	port := cmd.Flags().Uint16("port", 0, "UDP port by which it does (default: the SPA port)")
	asQR := cmd.Flags().Bool("qr", false, "print what rotating sequences need as a QR code")
	cmd.RunE = func(cmd *cobra.Command, list []string) error {
		if *host == "" {
			return usageError{hinted{errors.New("--host is missing"), "usage: " + cmd.UseLine()}}
		}
		p, err := makeProfile(*path, list[0], *host, *port)
		if err != nil {
			return err
		}
		if *asQR {
			return printQR(std.out, p)
		}
		_, err = std.out.Write(p.Marshal())
		return err
	}
	return cmd
}

// makeProfile makes the profile of a client.
func makeProfile(path, name, host string, port uint16) (*client.Profile, error) {
	cfg, err := loadConfig(path)
	if err != nil {
		return nil, err
	}
	c := findClient(cfg, name)
	if c == nil {
		return nil, hinted{fmt.Errorf("there is no client %q", name), "sallyport client add adds one"}
	}
	return profileOf(cfg, c, host, port)
}

// profileOf makes a profile for what a client can use: its key, its secret for
// rotating sequences, or both. Groups come first: the first door of a profile is
// what is asked for when nobody says which.
func profileOf(cfg *config.Config, c *config.Client, host string, port uint16) (*client.Profile, error) {
	p := &client.Profile{Name: client.SuggestName(host), Host: host, Doors: slices.Concat(c.Groups, c.Doors)}
	if !c.Rotating.Current.IsZero() {
		p.Rotating, p.Shape = c.Rotating.Current, cfg.Rotating.Shape
	}
	switch {
	case c.Key != nil && cfg.SPA.Port != 0:
		if err := addKeys(p, cfg, c, port); err != nil {
			return nil, err
		}
	case p.Rotating.IsZero():
		return nil, hinted{errors.New("SPA is off on this server"), "set port in [spa], such as 40321, then: sallyport reload"}
	}
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("make a profile: %w", err)
	}
	return p, nil
}

// addKeys adds what messages need.
func addKeys(p *client.Profile, cfg *config.Config, c *config.Client, port uint16) error {
	ring, err := loadServerKey(cfg)
	if err != nil {
		return err
	}
	if err := checkSuite(cfg, c); err != nil {
		return fmt.Errorf("client %q: %w", c.Name, err)
	}
	p.Port, p.ServerKey = cmp.Or(port, cfg.SPA.Port), ring.Current().Public().Text()
	p.Identity, p.Skew = ssh.FingerprintSHA256(c.Key), cfg.SPA.ClockSkew
	return nil
}
