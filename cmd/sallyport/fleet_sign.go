//go:build linux && !client_only

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"

	"sallyport/client"
	"sallyport/internal/fleet/archive"
	"sallyport/internal/fleet/desk"
	"sallyport/internal/fleet/roll"
	"sallyport/internal/fleet/store"
	"sallyport/internal/phrase"
)

// manyGates is how many gates are named in a sentence.
const manyGates = 10

// signing is what every command has that changes the roll.
type signing struct {
	std      stdio
	identity string
	wait     durationFlag
	recovery bool // the recovery key signs
	ask      func(path string, try int) ([]byte, error)
}

func signingFlags(cmd *cobra.Command, std stdio) *signing {
	s := &signing{std: std, wait: durationFlag(5 * time.Second)}
	s.ask = askOnce(func(path string, try int) ([]byte, error) { return askPassphrase(cmd.Context(), path, try) })
	cmd.Flags().StringVarP(&s.identity, "identity", "i", "", "SSH key to sign with: a `FILE`, or a fingerprint SHA256:... (default: identity in fleet.toml)")
	cmd.Flags().Var(&s.wait, "wait", "how long to wait until all gates have it in force")
	return s
}

// openFleet reads the roll as this user knows it.
func openFleet(ctx context.Context) (*desk.Desk, error) {
	folder, err := desk.Default()
	if err != nil {
		return nil, err
	}
	d, err := folder.Open(ctx)
	return d, fleetAdvice(folder, err)
}

// fleetAdvice adds what helps.
func fleetAdvice(folder desk.Folder, err error) error {
	switch {
	case err == nil:
	case errors.Is(err, fs.ErrNotExist):
		return hinted{fmt.Errorf("this user is no operator of a fleet: %w", err), "found one with sallyport fleet init; on another machine of an operator copy " + folder.Path() + " and fleet.head beside it"}
	case errors.Is(err, roll.ErrFork):
		return hinted{err, "change nothing; compare sallyport fleet status with other operators: two histories have been signed, or the store is not yours"}
	case errors.Is(err, archive.ErrNone):
		return hinted{err, "was an old snapshot restored, or another etcd put in its place? sallyport fleet restore puts back what was seen here; until then gates give nothing new"}
	case errors.Is(err, store.ErrUnreachable), errors.Is(err, store.ErrNoLeader):
		return hinted{err, "etcdctl endpoint status --cluster shows how its servers are; gates go on with what they know"}
	case errors.Is(err, store.ErrRefused):
		return hinted{err, "the user of the certificate in " + folder.Path() + " needs the role of operators: sallyport fleet etcd-commands"}
	}
	return advise(err)
}

// signer returns the key that signs.
func (s *signing) signer(ctx context.Context, d *desk.Desk) (ssh.Signer, func(), error) {
	if s.recovery {
		k, err := s.paper(ctx)
		return k, func() {}, err
	}
	identity := s.identity
	if identity == "" {
		identity = d.File.Identity
	}
	signer, done, err := client.FindSigner(ctx, client.Options{Identity: identity, Passphrase: s.ask})
	if err != nil {
		return nil, nil, err
	}
	if d.Stranger(signer.PublicKey()) {
		done()
		return nil, nil, hinted{fmt.Errorf("the key %s is no operator's of this fleet", ssh.FingerprintSHA256(signer.PublicKey())), "-i names another one; operators are: " + strings.Join(desk.Names(d.View.Operators), ", ")}
	}
	return signer, done, nil
}

// paper asks for the recovery key.
func (s *signing) paper(ctx context.Context) (ssh.Signer, error) {
	text, err := askSecret(ctx, "Recovery key, as it stands on paper (it is not shown): ")
	if errors.Is(err, errNoTerminal) {
		text, err = io.ReadAll(io.LimitReader(s.std.in, 1024))
	}
	if err != nil {
		return nil, err
	}
	k, err := roll.ParsePaper(string(text))
	if err != nil {
		return nil, fmt.Errorf("read the recovery key: %w", err)
	}
	return ssh.NewSignerFromKey(k)
}

// change has an operator sign changes, and reports at how many gates they are in force.
// Missing are the gates at which they are not, before the wait is over.
func (s *signing) change(ctx context.Context, w io.Writer, d *desk.Desk, changes ...roll.Change) (missing []string, err error) {
	signer, done, err := s.signer(ctx, d)
	if err != nil {
		return nil, err
	}
	defer done()
	if signer.PublicKey().Type() == ssh.KeyAlgoSKED25519 {
		fmt.Fprintln(s.std.err, "touch the key to sign")
	}
	head, err := d.Change(ctx, signer, changes...)
	if err != nil {
		return nil, fleetAdvice(d.Folder, err)
	}
	return s.inForce(ctx, w, d, head.Number), nil
}

// inForce waits for the gates, and prints what has become of an entry.
func (s *signing) inForce(ctx context.Context, w io.Writer, d *desk.Desk, number uint64) []string {
	all := len(d.View.Gates)
	if all == 0 {
		fmt.Fprintf(w, "entry %d: signed; there is no gate in the fleet yet\n", number)
		return nil
	}
	ctx, stop := context.WithTimeout(ctx, time.Duration(s.wait))
	defer stop()
	missing, err := d.Await(ctx, number)
	if err != nil {
		warn(s.std.err, "entry %d is signed, and how many gates have it is not known: %v", number, err)
		return missing
	}
	fmt.Fprintf(w, "entry %d: in force at %d of %s\n", number, all-len(missing), phrase.Count(all, "gate"))
	if len(missing) > 0 {
		fmt.Fprintf(w, "not yet at %s\n", phrase.Some(missing, manyGates))
	}
	return missing
}

// operatorOf describes the holder of a key, which has to be one of hardware unless the
// opposite is said.
func operatorOf(name string, k ssh.PublicKey, software bool) (roll.Operator, error) {
	hardware := k.Type() == ssh.KeyAlgoSKED25519
	if !hardware && !software {
		return roll.Operator{}, hinted{fmt.Errorf("the key %s (%s) is no FIDO2 key: programs that run as this user can sign with it, without anybody knowing", ssh.FingerprintSHA256(k), k.Type()),
			"ssh-keygen -t ed25519-sk makes one that has to be touched; --allow-software-key takes this one"}
	}
	return roll.Operator{Name: name, Key: roll.KeyText(k), Software: !hardware}, nil
}
