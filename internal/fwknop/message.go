package fwknop

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"

	"sallyport/internal/packet"
)

// Lengths of a packet, in characters. The least is fwknop's own; the most is
// room for a dozen ports with the longest hash.
const (
	MinLength = 140
	MaxLength = 1024
)

// The packet leaves this out: it is what "Salted__" begins with in base64.
const salted = "U2FsdGVkX1"

// Errors of Open, by what failed. A packet that fails with ErrForm or ErrMAC
// proves nothing about its sender; one that fails otherwise was made with the
// right key for the hash.
var (
	ErrForm     = errors.New("is no packet of fwknop's")
	ErrMAC      = errors.New("the keyed hash does not fit")
	ErrContent  = errors.New("the content is not as fwknop writes it")
	ErrNotTaken = errors.New("asks for what is not supported")
)

// Message is what a packet asks for.
type Message struct {
	ID      [32]byte // the same for a packet and all its copies, different for all others
	User    string   // as the client gave it; proves nothing
	Time    time.Time
	Source  netip.Addr    // whom to let in; the zero Addr: the sender of the packet
	Ports   []packet.Port // at least one, each once
	Timeout time.Duration // how long; 0: not said
}

// IsForm reports whether a payload can be a packet of fwknop's, which takes a
// few nanoseconds and no key.
func IsForm(payload []byte) bool {
	if len(payload) < MinLength || len(payload) > MaxLength {
		return false
	}
	for _, c := range payload {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '+' && c != '/' {
			return false
		}
	}
	return true
}

var raw = base64.RawStdEncoding

// Open reads a packet that was made with a key, as an Opener with no other does.
func (k *Key) Open(payload []byte) (Message, error) {
	o := NewOpener([]*Key{k})
	i, err := o.Find(payload)
	if err != nil {
		return Message{}, err
	}
	return o.Open(i, payload)
}

// open reads what stands before the keyed hash, which fits.
func (k *Key) open(sealed []byte) (Message, error) {
	text, err := raw.Strict().DecodeString(salted + string(sealed))
	if err != nil || len(text) < 16 {
		return Message{}, fmt.Errorf("%w: base64", ErrContent)
	}
	plain, err := k.decrypt(text[8:16], text[16:])
	if err != nil {
		return Message{}, fmt.Errorf("%w: %w", ErrContent, err)
	}
	return read(plain)
}

// The types of messages (fko_message.h): 0 is a command, 2, 4, 5 and 6 ask for
// address translation.
const (
	typeAccess  = "1"
	typeTimeout = "3"
)

var (
	isRandom   = regexp.MustCompile(`^[0-9]{16}$`)
	isUser     = regexp.MustCompile(`^[A-Za-z0-9 ._-]{1,64}$`)
	isTime     = regexp.MustCompile(`^[0-9]{9,12}$`)
	isVersion  = regexp.MustCompile(`^[0-9.]{1,8}$`)
	isDigit    = regexp.MustCompile(`^[0-9]$`)
	isDuration = regexp.MustCompile(`^[0-9]{1,5}$`)
)

func content(what string) (Message, error) {
	return Message{}, fmt.Errorf("%w: %s", ErrContent, what)
}

// read takes a plaintext apart. Its fields are random:user:time:version:type:
// message[:timeout]:hash, user and message in base64.
func read(plain []byte) (Message, error) {
	text := string(plain)
	end := strings.LastIndexByte(text, ':')
	if end < 0 || !hashed(text[:end], text[end+1:]) {
		return content("the inner hash")
	}
	fields := strings.Split(text[:end], ":")
	if len(fields) < 6 {
		return content("fields are missing")
	}
	user, err := raw.Strict().DecodeString(fields[1])
	if err != nil || !isUser.Match(user) {
		return content("the user's name")
	}
	message, err := raw.Strict().DecodeString(fields[5])
	switch {
	case err != nil:
		return content("the message")
	case !isRandom.MatchString(fields[0]):
		return content("the random value")
	case !isTime.MatchString(fields[2]):
		return content("the time")
	case !isVersion.MatchString(fields[3]):
		return content("the version")
	case !isDigit.MatchString(fields[4]):
		return content("the type")
	}
	seconds, _ := strconv.ParseInt(fields[2], 10, 64) // as matched above
	m := Message{User: string(user), Time: time.Unix(seconds, 0), ID: sha256.Sum256([]byte(strings.Join(fields[:6], ":")))}
	if err := m.timeout(fields); err != nil {
		return Message{}, err
	}
	if m.Source, m.Ports, err = readAccess(string(message)); err != nil {
		return Message{}, err
	}
	return m, nil
}

// timeout reads the type of a message, and the field that only one type has.
func (m *Message) timeout(fields []string) error {
	var want int
	switch fields[4] {
	case typeAccess:
		want = 6
	case typeTimeout:
		want = 7
	case "0":
		return fmt.Errorf("%w: a command", ErrNotTaken)
	case "2", "4", "5", "6":
		return fmt.Errorf("%w: address translation", ErrNotTaken)
	default:
		return fmt.Errorf("%w: type %s", ErrContent, fields[4])
	}
	if len(fields) != want {
		return fmt.Errorf("%w: %d fields", ErrContent, len(fields))
	}
	if want == 7 {
		seconds, err := strconv.ParseUint(fields[6], 10, 16)
		if err != nil || !isDuration.MatchString(fields[6]) {
			return fmt.Errorf("%w: the timeout", ErrContent)
		}
		m.Timeout = time.Duration(seconds) * time.Second
	}
	return nil
}

// readAccess reads "198.51.100.7,tcp/22,udp/53".
func readAccess(text string) (netip.Addr, []packet.Port, error) {
	words := strings.Split(text, ",")
	source, err := netip.ParseAddr(words[0])
	if err != nil || !source.Is4() || len(words) < 2 {
		return netip.Addr{}, nil, fmt.Errorf("%w: the address", ErrContent)
	}
	if source.IsUnspecified() {
		source = netip.Addr{}
	}
	var ports []packet.Port
	seen := make(map[packet.Port]bool)
	for _, w := range words[1:] {
		p, err := packet.ParsePort(w)
		if err != nil {
			return netip.Addr{}, nil, fmt.Errorf("%w: a port", ErrContent)
		}
		if !seen[p] {
			seen[p] = true
			ports = append(ports, p)
		}
	}
	return source, ports, nil
}

// hashed reports whether a field is the hash of a text, by one of the hashes
// whose base64 is as long.
func hashed(text, field string) bool {
	ok := false
	for _, name := range Digests() {
		h := digests[name]()
		if raw.EncodedLen(h.Size()) != len(field) {
			continue
		}
		h.Write([]byte(text))
		ok = ok || raw.EncodeToString(h.Sum(nil)) == field
	}
	return ok
}
