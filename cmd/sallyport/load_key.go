//go:build linux && !client_only

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/config"
	"sallyport/internal/key"
	"sallyport/internal/keyfile"
	"sallyport/internal/spa"
	"sallyport/internal/sshauth"
)

// loadServerKey reads the server key of a configuration.
func loadServerKey(cfg *config.Config) (key.Keyring, error) {
	ring, err := keyfile.Load(cfg.SPA.ServerKey)
	if errors.Is(err, fs.ErrNotExist) {
		return ring, hinted{err, "start the daemon once with SPA on, or run sallyport init: both make the server key"}
	}
	return ring, advise(err)
}

// fits reports whether the messages of a suite have room for a client's proof.
func fits(suite key.Suite, c *config.Client) error {
	if c.Key == nil { // it has rotating sequences only
		return nil
	}
	size, err := sshauth.ProofSize(c.Key)
	if err == nil {
		_, err = spa.Length(suite, size)
	}
	return err
}

// checkSuite refuses a client that the server as it is could never hear. A
// server key that cannot be read says nothing against anybody.
func checkSuite(cfg *config.Config, c *config.Client) error {
	ring, err := keyfile.Load(cfg.SPA.ServerKey)
	if err != nil || c == nil {
		return nil
	}
	_, err = serverKeyFor(ring, c)
	return err
}

// serverKeyFor returns the first server key that a client can use.
func serverKeyFor(ring key.Keyring, c *config.Client) (key.Public, error) {
	for _, h := range ring.All() {
		if fits(h.Suite(), c) == nil && c.MayUse(h.Suite()) {
			return h.Current.Public(), nil
		}
	}
	suite := ring.Current().Public().Suite()
	if err := fits(suite, c); err != nil {
		return key.Public{}, hinted{fmt.Errorf("%s key: %w", c.Key.Type(), err), "sallyport keygen makes an Ed25519 key; sallyport server-key rotate --suite x25519 adds such a server key"}
	}
	return key.Public{}, hinted{fmt.Errorf("client %q may use none of the suites of which this server has a key", c.Name), "change suites of the client, or: sallyport server-key rotate --suite SUITE"}
}

// keyText is a key as it is listed.
func keyText(k ssh.PublicKey) string {
	if k == nil {
		return ""
	}
	return k.Type() + " " + ssh.FingerprintSHA256(k)
}

// readKey reads one public key line.
func readKey(stdin io.Reader, name string) (string, error) {
	in := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return "", fmt.Errorf("read public key: %w", err)
		}
		defer f.Close()
		in = f
	}
	const limit = 16 << 10
	text, err := io.ReadAll(io.LimitReader(in, limit))
	if err != nil {
		return "", fmt.Errorf("read public key: %w", err)
	}
	if bytes.Contains(text, []byte("PRIVATE KEY")) {
		return "", hinted{errors.New("this is a private key, which nobody else should have"), "give its public half: the file whose name ends in .pub"}
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return "", hinted{fmt.Errorf("the public key file %s is empty", name), "ssh-add -L prints the keys of an agent; sallyport keygen makes one"}
	}
	return strings.TrimSpace(string(text)), nil
}
