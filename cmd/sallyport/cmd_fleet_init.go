//go:build linux && !client_only

package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"

	"sallyport/client"
	"sallyport/internal/config"
	"sallyport/internal/fleet/desk"
	"sallyport/internal/fleet/roll"
)

// founding is a new fleet as the command line describes it.
type founding struct {
	*signing
	file     desk.File
	operator string
	software bool
	sure     bool
}

func newFleetInit(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "init --endpoint HOST:PORT --operator NAME",
		Short: "Found a fleet, with you as its first operator",
		Long: `Signs entry 0 of a new roll with your SSH key, puts it into etcd, and writes fleet.toml into your configuration
folder (~/.config/sallyport), by which later commands find the fleet. It need not run on a gate.

Your key has to be a FIDO2 key, which signs only when it is touched (ssh-keygen -t ed25519-sk), unless you say
--allow-software-key. The recovery key is shown once, to be kept on paper: where all operators have lost
their keys, it alone can add one, and it can do nothing else.`,
		Example: `  sallyport fleet init --operator alice --endpoint etcd1.example.org:2379 \
      --ca ca.pem --cert alice.pem --key alice.key`,
		Args: args(cobra.NoArgs),
	}
	f := founding{signing: &signing{std: std}}
	f.ask = askOnce(func(path string, try int) ([]byte, error) { return askPassphrase(cmd.Context(), path, try) })
	cmd.Flags().StringVarP(&f.identity, "identity", "i", "", "your SSH key: a `FILE`, or a fingerprint SHA256:... (default: the only one)")
	cmd.Flags().StringVar(&f.operator, "operator", "", "your `NAME` in the roll")
	cmd.Flags().BoolVar(&f.software, "allow-software-key", false, "your key need not be a FIDO2 key")
	cmd.Flags().BoolVarP(&f.sure, "yes", "y", false, "do not ask whether the recovery key has been written down")
	storeFlags(cmd, &f.file)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if len(f.file.Endpoints) == 0 || f.operator == "" {
			return usageError{hinted{errors.New("--endpoint and --operator are needed"), "usage: " + cmd.UseLine()}}
		}
		return f.run(cmd.Context())
	}
	return cmd
}

// storeFlags are those that say where etcd is.
func storeFlags(cmd *cobra.Command, f *desk.File) {
	cmd.Flags().StringArrayVar(&f.Endpoints, "endpoint", nil, "a server of etcd, `HOST:PORT` (may be repeated)")
	cmd.Flags().StringVar(&f.CA, "ca", "", "`FILE` with the certificates that vouch for etcd's servers")
	cmd.Flags().StringVar(&f.Cert, "cert", "", "`FILE` with the certificate by which etcd knows you")
	cmd.Flags().StringVar(&f.Key, "key", "", "`FILE` with its key")
}

// absolute makes paths ones that hold from everywhere.
func absolute(f *desk.File) error {
	for _, path := range []*string{&f.CA, &f.Cert, &f.Key} {
		if *path == "" {
			continue
		}
		abs, err := filepath.Abs(*path)
		if err != nil {
			return err
		}
		*path = abs
	}
	if err := f.Check(); err != nil {
		return usageError{err}
	}
	return nil
}

func (f *founding) run(ctx context.Context) error {
	if !config.ValidName(f.operator) {
		return usageError{fmt.Errorf("--operator %q: want 1 to 32 of a-z, 0-9, dot, dash and underscore", f.operator)}
	}
	if err := absolute(&f.file); err != nil {
		return err
	}
	folder, err := desk.Default()
	if err != nil {
		return err
	}
	if _, err := folder.Read(); !errors.Is(err, fs.ErrNotExist) {
		return hinted{fmt.Errorf("there is a fleet already: %s", folder.Path()), "for another one, move fleet.toml and fleet.head away; this user is the operator of one fleet at a time"}
	}
	signer, done, err := client.FindSigner(ctx, client.Options{Identity: f.identity, Passphrase: f.ask})
	if err != nil {
		return err
	}
	defer done()
	operator, err := operatorOf(f.operator, signer.PublicKey(), f.software)
	if err != nil {
		return err
	}
	s, _, err := desk.Connect(f.file)
	if err != nil {
		return advise(err)
	}
	defer s.Close()
	recovery, err := f.recoveryKey(ctx)
	if err != nil {
		return err
	}
	e := &roll.Entry{At: time.Now().UTC().Truncate(time.Second), Changes: []roll.Change{roll.Recovery{Key: recovery}, roll.OperatorAdd{Operator: operator}}}
	if _, err := rand.Read(e.Prev[:]); err != nil {
		return err
	}
	if signer.PublicKey().Type() == ssh.KeyAlgoSKED25519 {
		fmt.Fprintln(f.std.err, "touch the key to sign")
	}
	if err := e.Sign(signer); err != nil {
		return fmt.Errorf("sign entry 0: %w", err)
	}
	if f.file.Identity, err = f.found(signer.PublicKey()); err != nil {
		return err
	}
	if err := folder.Found(ctx, s, f.file, e); err != nil {
		return fleetAdvice(folder, err)
	}
	fmt.Fprintf(f.std.out, "the fleet %s is founded, with operator %q; it is in %s\nnext: sallyport fleet invite GATE\n", e.Head().Hash, f.operator, folder.Path())
	return nil
}

// found says where later commands find the key: in the file that was named, or by its
// fingerprint, in the agent or among the usual files.
func (f *founding) found(k ssh.PublicKey) (string, error) {
	if f.identity == "" || strings.HasPrefix(f.identity, "SHA256:") {
		return ssh.FingerprintSHA256(k), nil
	}
	return filepath.Abs(f.identity)
}

// recoveryKey makes the recovery key, shows it, and returns its public half.
func (f *founding) recoveryKey(ctx context.Context) (ed25519.PublicKey, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	text := roll.PaperText(private)
	if !f.sure && !f.std.asks() {
		return nil, hinted{errors.New("there is nobody to ask whether the recovery key has been written down"), "run it on a terminal; with --yes the key is printed, for you to keep on paper"}
	}
	fmt.Fprintf(f.std.out, "Recovery key. Write it on paper, and keep that where neither the gates nor the operators' machines are:\n\n    %s\n\nIt is not shown again.\n",
		strings.ReplaceAll(text, "\n", "\n    "))
	if f.sure {
		return public, nil
	}
	last := text[strings.LastIndexByte(text, ' ')+1:]
	err = newDialog(ctx, f.std).ask("The last group of four, from the paper", "", func(answer string) error {
		if !strings.EqualFold(answer, last) {
			return errors.New("that is not how it ends")
		}
		return nil
	})
	return public, err
}
