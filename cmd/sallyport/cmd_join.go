package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"

	"sallyport/client"
)

func newJoin(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "join LINK | -",
		Short:   "Enrol this device with the invite that you were given",
		GroupID: "client",
		Long: `Makes a key for this device, enrols it with the server that the link names, and keeps the profile once the server
has answered. The link is what "sallyport client invite" prints, alone or behind the address of a page; until
it is used it is as good as a key, so give it on standard input ("-") where others see the list of processes.

The private key is kept without a passphrase beside the profiles, readable by you alone; ssh-keygen -p
gives it one. A link may be tried again on the same device if no answer came.`,
		Example: `  sallyport join 'sallyport://203.0.113.1?d=ssh&i=...'
  sallyport join - --as office   # paste the link, then Ctrl-D`,
		Args: args(cobra.ExactArgs(1)),
	}
	j := joining{std: std}
	only4 := cmd.Flags().BoolP("ipv4", "4", false, "IPv4 only")
	only6 := cmd.Flags().BoolP("ipv6", "6", false, "IPv6 only")
	cmd.MarkFlagsMutuallyExclusive("ipv4", "ipv6")
	cmd.Flags().StringVar(&j.profile, "as", "", "`NAME` of the profile here (default: the gate's name, or its address)")
	cmd.Flags().BoolVarP(&j.sure, "yes", "y", false, "do not ask: the server's key has been compared, or need not be")
	timeout := addDuration(cmd, "timeout", 0, "how long to wait for an answer from each address (default: for eight tries, 7 to 15s)")
	cmd.RunE = func(cmd *cobra.Command, list []string) error {
		j.opts.Timeout = *timeout
		if *only4 {
			j.opts.Network = "ip4"
		} else if *only6 {
			j.opts.Network = "ip6"
		}
		text, err := argumentOrInput(std.in, list[0])
		if err != nil {
			return err
		}
		return j.run(cmd.Context(), text)
	}
	return cmd
}

// joining enrols this device.
type joining struct {
	std     stdio
	opts    client.Options
	profile string
	sure    bool
}

func (j *joining) run(ctx context.Context, link string) error {
	i, err := client.ParseInvite(link)
	if err != nil {
		return usageError{err}
	}
	if err := i.Check(time.Now()); err != nil {
		return err
	}
	if j.profile == "" {
		j.profile = i.SuggestProfile()
	}
	if !isWord(j.profile) {
		return usageError{fmt.Errorf("--as %q: want 1 to 32 of a-z, 0-9, dot, dash and underscore, beginning with a letter or digit", j.profile)}
	}
	if _, err := client.Load(j.profile); !errors.Is(err, fs.ErrNotExist) {
		return hinted{fmt.Errorf("there is a profile %q already, and it is left alone", j.profile), "--as NAME calls the new one otherwise"}
	}
	if err := j.agreed(ctx, i); err != nil {
		return err
	}
	file, public, err := j.key()
	if err != nil {
		return err
	}
	p, err := client.Join(ctx, i, public, j.profile, file, j.opts)
	if err != nil {
		return fmt.Errorf("join: %w", err)
	}
	if err := saveProfile(p, false); err != nil {
		return err
	}
	printAdded(j.std, p)
	return nil
}

// agreed shows what the link leads to, and asks.
func (j *joining) agreed(ctx context.Context, i *client.Invite) error {
	hosts := make([]string, len(i.Hosts))
	for n, a := range i.Hosts {
		hosts[n] = a.String()
	}
	fmt.Fprintf(j.std.err, "server       %s\nits key      %s\ndoors        %s\n", strings.Join(hosts, ", "), i.Fingerprint, strings.Join(i.Doors, ", "))
	if j.sure {
		return nil
	}
	if !j.std.asks() {
		return hinted{errors.New("there is nobody to ask whether that is the right server"), "compare its key with what the administrator says, then: sallyport join --yes"}
	}
	yes, err := newDialog(ctx, j.std).yes("Enrol this device there?", false)
	if err == nil && !yes {
		err = hinted{errors.New("not enrolled"), "nothing was sent and nothing was written"}
	}
	return err
}

// key returns the key of the profile. It makes one if there is none: one that is there
// is of a try whose answer was lost, and the server takes the invite again for it alone.
func (j *joining) key() (string, ssh.PublicKey, error) {
	profiles, err := client.Dir()
	if err != nil {
		return "", nil, err
	}
	file := filepath.Join(filepath.Dir(profiles), "keys", j.profile)
	public, err := publicHalf(file)
	if err == nil {
		return file, public, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", nil, err
	}
	if public, err = makeKey(file, defaultComment(), nil); err != nil {
		return "", nil, hinted{fmt.Errorf("make a key for this device: %w", err), "if " + file + ".pub is left of a key that is gone, remove it"}
	}
	return file, public, nil
}

// publicHalf reads the public half out of a private key, with a passphrase or without
// one: what lies beside it may be of another key, and only who has the private half
// can use what is enrolled.
func publicHalf(file string) (ssh.PublicKey, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	signer, err := ssh.ParsePrivateKey(text)
	if locked := (*ssh.PassphraseMissingError)(nil); errors.As(err, &locked) && locked.PublicKey != nil {
		return locked.PublicKey, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the key %s: %w", file, err)
	}
	return signer.PublicKey(), nil
}
