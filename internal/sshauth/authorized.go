package sshauth

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// Bounds on what a hostile file can cost.
const (
	maxFile   = 8 << 20 // ten thousand RSA keys
	maxLine   = 16 << 10
	maxErrors = 50
)

// Entry is a client as one line of an authorized_keys file describes it.
type Entry struct {
	Name    string // first word of the comment; unique in the file
	Key     ssh.PublicKey
	Doors   []string      // at least one, each once; whether they exist is not known here
	From    From          // where the client may knock from
	Expires time.Time     // from then on the key is refused; zero: never
	MaxOpen time.Duration // upper limit of a grant, 1s to 24h; 0: none of its own
	Single  bool          // its grants let in one connection only
	Line    int           // from 1
}

// LineError says what is wrong with one line of an authorized_keys file.
type LineError struct {
	Line int // from 1; 0: the file as a whole
	Err  error
}

func (e LineError) Error() string {
	if e.Line == 0 {
		return e.Err.Error()
	}
	return fmt.Sprintf("line %d: %v", e.Line, e.Err)
}

// Unwrap returns the error without the line.
func (e LineError) Unwrap() error { return e.Err }

// ParseAuthorizedKeys reads clients from a file in the format of sshd(8):
//
//	doors="ssh,db",from="192.0.2.0/24,!192.0.2.7" ssh-ed25519 AAAA… alice@laptop
//
// A line is a client only with the option doors; its name is the first word
// of the comment. Other options are
//
//	from="PATTERN,…"    addresses and prefixes; !PATTERN excludes; no host names, no wildcards
//	expiry-time="…"     YYYYMMDD[HHMM[SS]], in zone, or in UTC with a Z at the end
//	max-open="30m"      upper limit of a grant
//	single              its grants let in one connection only
//
// and those of OpenSSH, which have no meaning for a knock and are ignored. Of
// these, cert-authority and verify-required are errors: they ask for something
// that would not be done. An unknown option is an error too.
//
// Lines without doors, whatever their key, are not about Sallyport and are
// ignored, so one file can serve sshd as well. But sshd ignores in turn what
// has an option unknown to it: a key for both needs two lines.
//
// A file with errors should not be used at all, since a line that is missing
// may be the one that restricts. After 50 errors the rest is not read.
func ParseAuthorizedKeys(data []byte, zone *time.Location) ([]Entry, []LineError) {
	if len(data) > maxFile {
		return nil, []LineError{{0, fmt.Errorf("the file has %d bytes: want at most %d", len(data), maxFile)}}
	}
	p := parser{zone: zone, names: map[string]int{}, keys: map[[6]byte]*Entry{}}
	for number := 1; len(data) > 0; number++ {
		line, rest, _ := bytes.Cut(data, []byte("\n"))
		data = rest
		if err := p.line(number, line); err != nil {
			p.errors = append(p.errors, LineError{number, err})
		}
		if len(p.errors) == maxErrors {
			p.errors = append(p.errors, LineError{0, errors.New("too many errors: the rest was not read")})
			break
		}
	}
	return p.entries, p.errors
}

type parser struct {
	zone    *time.Location
	entries []Entry
	errors  []LineError
	names   map[string]int // line of each name
	keys    map[[6]byte]*Entry
}

func (p *parser) line(number int, line []byte) error {
	if len(line) > maxLine {
		return fmt.Errorf("the line has %d bytes: want at most %d", len(line), maxLine)
	}
	text := strings.Trim(string(line), " \t\r")
	if text == "" || text[0] == '#' {
		return nil
	}
	if isPlain(text) {
		return nil
	}
	opts, rest, err := splitOptions(text)
	if err != nil {
		return err
	}
	e := Entry{Line: number}
	if err := e.apply(opts, p.zone); err != nil || e.Doors == nil {
		return err
	}
	if e.Key, e.Name, err = parseKey(rest); err != nil {
		return err
	}
	return p.add(e)
}

// add checks that the client is the only one of its name and key.
func (p *parser) add(e Entry) error {
	if line, taken := p.names[e.Name]; taken {
		return fmt.Errorf("client %q is already defined in line %d", e.Name, line)
	}
	id := ID(e.Key)
	if other, taken := p.keys[id]; taken {
		if bytes.Equal(other.Key.Marshal(), e.Key.Marshal()) {
			return fmt.Errorf("client %q has the same key in line %d: want one line for each key", other.Name, other.Line)
		}
		return fmt.Errorf("the key has the same id as that of client %q in line %d (%x): make another key", other.Name, other.Line, id)
	}
	p.names[e.Name] = e.Line
	p.keys[id] = &e
	p.entries = append(p.entries, e)
	return nil
}

// isPlain reports whether a line has a key without options. Every key in SSH wire
// form begins with the length of a short word, which is AAAA in base64.
func isPlain(text string) bool {
	fields := strings.Fields(text)
	return len(fields) > 1 && !strings.ContainsAny(fields[0], `=,"`) && strings.HasPrefix(fields[1], "AAAA")
}

// parseKey reads the part of a line after the options: type, base64, comment.
func parseKey(text string) (ssh.PublicKey, string, error) {
	const again = "copy the line of the .pub file again"
	fields := strings.Fields(text)
	if len(fields) < 2 {
		return nil, "", errors.New("the key is missing: want its type, the key and a comment after the options")
	}
	wire, err := base64.StdEncoding.Strict().DecodeString(fields[1])
	if err != nil {
		return nil, "", fmt.Errorf("the part after %q is not whole base64: %s", shown(fields[0]), again)
	}
	key, err := ssh.ParsePublicKey(wire)
	if err != nil {
		if !slices.Contains(keyTypes, fields[0]) {
			return nil, "", typeError(fields[0])
		}
		return nil, "", fmt.Errorf("the key is broken: %s", again)
	}
	if key.Type() != fields[0] {
		return nil, "", fmt.Errorf("the line says %q but holds a key of type %s", shown(fields[0]), key.Type())
	}
	if _, err := ProofSize(key); err != nil {
		return nil, "", err
	}
	if !bytes.Equal(key.Marshal(), wire) {
		return nil, "", fmt.Errorf("the key is encoded in an unusual way: %s", again)
	}
	name := ""
	if len(fields) > 2 {
		name = fields[2]
	}
	return key, name, checkName(name)
}

// checkName keeps names fit to be shown and counted: no control characters,
// nothing that looks like another name.
func checkName(name string) error {
	const want = `want a comment such as "alice@laptop" after the key: its first word, 1 to 64 of A-Z a-z 0-9 . _ + @ -, beginning with a letter or digit, names the client`
	if name == "" {
		return errors.New("the client has no name: " + want)
	}
	alnum := func(c byte) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
	}
	ok := len(name) <= 64 && alnum(name[0])
	for i := range len(name) {
		ok = ok && (alnum(name[i]) || strings.IndexByte("._+@-", name[i]) >= 0)
	}
	if !ok {
		return fmt.Errorf("%q cannot be the name of a client: %s", shown(name), want)
	}
	return nil
}
