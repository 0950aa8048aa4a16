// Package convert reads the configurations of knockd and fwknop and writes
// ours. It is pure.
//
// What comes out always loads (config.Load), and holds as comments whatever
// could not be carried over, with the reason and what to do instead. Of the
// commands that these programs run, those that open and close ports are
// understood: iptables, ip6tables, nft, ufw, firewall-cmd, ipset and knock_add.
// A sequence that our configuration refuses, because a scan would complete it
// for instance, is replaced by a new one and stands beside it as a comment.
// Secrets are never copied, but the keys of fwknop's clients that go on with them.
//
// The sources: knockd(1) of version 0.8, fwknopd(8) of version 2.6.10.
package convert

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"sallyport/internal/config"
	"sallyport/internal/packet"
)

// Result is a configuration of ours.
type Result struct {
	Text    string         // TOML with comments
	Doors   int            // how many it has that are not commented out
	Clients int            // how many go on with the keys that they have
	Config  *config.Config // what Text, and what it is to become a part of, load as
	Path    string         // of the file from which Text would be loaded; there need be none
	Notes   []Note         // what is not as it was, in the order of the source; in Text as comments, too
}

// Note is something that could not be carried over as it was.
type Note struct {
	Line int    `json:"line"` // in what was read
	Text string `json:"text"` // one or more sentences, and lines of an example; printable
}

// Sequence makes a new sequence of secret, random knocks.
type Sequence func() ([]packet.Port, error)

// Limits on what is read: far more than anybody writes by hand.
const (
	maxText     = 1 << 20
	maxSections = 1000
)

// readText refuses what is no text, or too much of it. Comments in an old
// encoding are no reason to refuse anything.
func readText(text string) (string, error) {
	switch {
	case len(text) > maxText:
		return "", fmt.Errorf("has %d bytes: want at most %d", len(text), maxText)
	case strings.ContainsRune(text, 0):
		return "", errors.New("is not text: want a configuration")
	}
	return strings.ToValidUTF8(strings.TrimPrefix(text, "\ufeff"), string(utf8.RuneError)), nil
}
