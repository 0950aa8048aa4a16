package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"os"
	"os/user"
	"path/filepath"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/atomicfile"
)

// makeKey makes a key and writes both halves.
func makeKey(path, comment string, passphrase []byte) (ssh.PublicKey, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	public, err := ssh.NewPublicKey(private.Public())
	if err != nil {
		return nil, err
	}
	var block *pem.Block
	if len(passphrase) > 0 {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(private, comment, passphrase)
	} else {
		block, err = ssh.MarshalPrivateKey(private, comment)
	}
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	if err := atomicfile.Create(path, pem.EncodeToMemory(block), atomicfile.Options{}); err != nil {
		return nil, err
	}
	return public, atomicfile.Create(path+".pub", []byte(authorizedLine(public, comment)+"\n"), atomicfile.Options{Mode: 0o644})
}

// authorizedLine writes a public key as a line of an authorized_keys file.
func authorizedLine(public ssh.PublicKey, comment string) string {
	line := string(bytes.TrimSpace(ssh.MarshalAuthorizedKey(public)))
	if comment != "" {
		line += " " + comment
	}
	return line
}

// defaultComment is user@host, as ssh-keygen has it.
func defaultComment() string {
	host, _ := os.Hostname()
	if u, err := user.Current(); err == nil {
		return filepath.Base(u.Username) + "@" + host
	}
	return host
}
