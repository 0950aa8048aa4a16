package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"

	"sallyport/client"
)

func newKeygen(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "keygen",
		Short:   "Make an SSH key, for those who have none",
		GroupID: "client",
		Long: `Makes an ed25519 key in the format of OpenSSH, which ssh can use as well: the private key in
FILE, for you alone, and the public key in FILE.pub. Overwrites nothing.`,
		Example: "  sallyport keygen\n  sallyport keygen --file ~/.ssh/office --no-passphrase",
		Args:    args(cobra.NoArgs),
	}
	path := cmd.Flags().StringP("file", "f", "", "`FILE` for the key (default: ~/.ssh/id_ed25519)")
	comment := cmd.Flags().StringP("comment", "C", "", "`TEXT` behind the public key (default: you@this-host)")
	none := cmd.Flags().Bool("no-passphrase", false, "do not encrypt the key")
	cmd.RunE = func(*cobra.Command, []string) error {
		if *path == "" {
			home, err := os.UserHomeDir()
			if err != nil {
				return err
			}
			*path = filepath.Join(home, ".ssh", "id_ed25519")
		}
		if *comment == "" {
			*comment = defaultComment()
		}
		if strings.ContainsAny(*comment, "\r\n") {
			return usageError{fmt.Errorf("--comment %q: want one line", *comment)}
		}
		if err := free(*path, *path+".pub"); err != nil {
			return err
		}
		passphrase, err := newPassphrase(cmd.Context(), *none)
		if err != nil {
			return err
		}
		public, err := makeKey(*path, *comment, passphrase)
		if err != nil {
			return fmt.Errorf("make an SSH key: %w", err)
		}
		fmt.Fprintf(std.out, "made the key %s (%s)\nthe server wants its public half:\n%s\n",
			*path, ssh.FingerprintSHA256(public), authorizedLine(public, *comment))
		return nil
	}
	return cmd
}

// free makes sure that there is nothing at the paths yet.
func free(paths ...string) error {
	for _, p := range paths {
		if _, err := os.Lstat(p); err == nil {
			return hinted{fmt.Errorf("%s is there already, and is left alone", p), "use that key, or name another file with -f"}
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// newPassphrase asks twice for a passphrase. None is no passphrase too.
func newPassphrase(ctx context.Context, none bool) ([]byte, error) {
	if none {
		return nil, nil
	}
	question := "Passphrase for the new key (empty: none): "
	for range client.Tries {
		first, err := askSecret(ctx, question)
		if errors.Is(err, errNoTerminal) {
			return nil, hinted{fmt.Errorf("ask for a passphrase: %w", err), "--no-passphrase makes a key without one"}
		}
		if err != nil {
			return nil, err
		}
		if len(first) == 0 {
			return nil, nil
		}
		second, err := askSecret(ctx, "The same again: ")
		if err != nil {
			return nil, err
		}
		if bytes.Equal(first, second) {
			return first, nil
		}
		question = "The two passphrases differ. Passphrase for the new key (empty: none): "
	}
	return nil, hinted{errors.New("the two passphrases differ"), "nothing was written; try again"}
}
