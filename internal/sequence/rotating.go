package sequence

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"math"
	"strconv"
	"strings"
	"time"

	"sallyport/internal/packet"
)

// Period is how long a step lasts: so long a rotating sequence stays the same.
const Period = 30 * time.Second

// StepAt returns the step of a moment. Steps are counted from 1970 (Unix time).
func StepAt(t time.Time) int64 {
	seconds, period := t.Unix(), int64(Period/time.Second)
	step := seconds / period
	if seconds%period < 0 {
		step--
	}
	return step
}

// HighestPort is the highest port that a rotating sequence can have: a knock
// is drawn as 15 bits, and from 32768 on is where Linux takes the ports of
// outgoing connections from (net.ipv4.ip_local_port_range).
const HighestPort = 1<<15 - 1

// Protos says which protocols the knocks of a rotating sequence have.
type Protos string

// OnlyTCP gets through networks that let no UDP out. BothProtos chooses for
// each knock.
const (
	OnlyTCP    Protos = "tcp"
	OnlyUDP    Protos = "udp"
	BothProtos Protos = "both"
)

// Shape is what gate and clients must agree on besides the secret.
type Shape struct {
	Knocks      int // 1 to MaxKnocks
	First, Last uint16
	Protos      Protos
}

// DefaultShape has 74 bits to guess.
var DefaultShape = Shape{Knocks: 5, First: 1024, Last: HighestPort, Protos: OnlyTCP}

// Limits of a shape. The fewest ports bound the work of drawing one. Of the
// bits, 35 are left when a thousand clients with four doors have sequences for
// four steps, and a knock is left out because its port is in use.
const (
	minRotating = 5
	minPorts    = 1000
	minBits     = 64
)

// Validate says what is wrong with a shape.
func (s Shape) Validate() error {
	switch {
	case s.Protos != OnlyTCP && s.Protos != OnlyUDP && s.Protos != BothProtos:
		return fmt.Errorf("protocols %q: want %q, %q or %q", s.Protos, OnlyTCP, OnlyUDP, BothProtos)
	case s.Knocks < minRotating || s.Knocks > MaxKnocks:
		return fmt.Errorf("%d knocks: want %d to %d", s.Knocks, minRotating, MaxKnocks)
	case s.First < 1 || s.Last > HighestPort || s.First > s.Last:
		return fmt.Errorf("ports %d-%d: want a range within 1-%d", s.First, s.Last, HighestPort)
	case s.ports() < minPorts:
		return fmt.Errorf("ports %d-%d: %d of them count: want at least %d (docs/PROTOCOL.md lists those that are left out)", s.First, s.Last, s.ports(), minPorts)
	case s.Bits() < minBits:
		return fmt.Errorf("%d knocks in %d ports can be guessed (%.0f bits): want more knocks or ports, %d bits at least", s.Knocks, s.ports(), s.Bits(), minBits)
	}
	return nil
}

// ports returns how many ports a knock can have.
func (s Shape) ports() int {
	first := max(s.First, lowest)
	if first > s.Last {
		return 0
	}
	n := int(s.Last) - int(first) + 1
	for _, p := range refused {
		if first <= p && p <= s.Last {
			n--
		}
	}
	return n
}

// Bits is the entropy of one sequence: the logarithm to base 2 of how many
// there are.
func (s Shape) Bits() float64 {
	ports := float64(s.ports())
	bits := math.Log2(ports) + float64(s.Knocks-1)*math.Log2(ports-1)
	if s.Protos == BothProtos {
		bits += float64(s.Knocks)
	}
	return bits
}

// Secret is what a client and the gate share. It cannot be printed by
// accident: only Text shows it.
type Secret struct {
	text string
	gate string // the gate that it is for alone; empty: any
}

// The text of a secret is base32 (RFC 4648) in capitals, in whole groups of 8
// characters, which are 40 bits each.
const (
	minSecret = 32 // characters: 160 bits
	maxSecret = 104
)

var errSecret = errors.New("want a secret of 32 to 104 characters, A-Z and 2-7, in groups of 8: sallyport client rotate makes one")

// ParseSecret reads what Text returns, and nothing else.
func ParseSecret(text string) (Secret, error) {
	if len(text) < minSecret || len(text) > maxSecret || len(text)%8 != 0 {
		return Secret{}, errSecret
	}
	// The decoder skips line ends and takes padding.
	if _, err := base32.StdEncoding.DecodeString(text); err != nil || strings.ContainsAny(text, "=\r\n") {
		return Secret{}, errSecret
	}
	return Secret{text: text}, nil
}

// NewSecret makes a secret of 20 random bytes.
func NewSecret(random [20]byte) Secret {
	return Secret{text: base32.StdEncoding.EncodeToString(random[:])}
}

// Text returns the secret itself.
func (s Secret) Text() string { return s.text }

// IsZero reports whether there is none.
func (s Secret) IsZero() bool { return s.text == "" }

// Format keeps the secret out of messages and logs, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("(secret)")) }

// At returns the secret as the gate of a name uses it, so that what is overheard at
// one gate is worth nothing at another. Without a name it is the secret itself.
func (s Secret) At(gate string) Secret {
	if gate == "" || s.IsZero() || s.gate == gate {
		return s
	}
	mac := hmac.New(sha256.New, []byte(s.text))
	_, _ = mac.Write([]byte("sallyport gate v1 " + gate))
	return Secret{hex.EncodeToString(mac.Sum(nil)), gate}
}

// ParseAt reads the text of what At returns for a gate: all that this gate may know of the
// secret.
func ParseAt(gate, text string) (Secret, error) {
	raw, err := hex.DecodeString(text)
	if err != nil || gate == "" || len(raw) != sha256.Size || hex.EncodeToString(raw) != text {
		return Secret{}, errors.New("this is no secret for one gate")
	}
	return Secret{text, gate}, nil
}

// Rotation derives the sequences of one client. It is to be used by one
// goroutine at a time.
type Rotation struct {
	mac   hash.Hash
	shape Shape
	block []byte // of the key stream
	text  []byte
}

// NewRotation prepares the derivation for a secret, as the gate uses it, and a
// valid shape.
func NewRotation(secret Secret, shape Shape) *Rotation {
	return &Rotation{mac: hmac.New(sha256.New, []byte(secret.text)), shape: shape}
}

// Knocks returns the sequence for a door and a step, as docs/PROTOCOL.md says:
// block i of the key stream is HMAC-SHA-256, keyed with the text of the
// secret, of "sallyport rotating v1 DOOR STEP i". Each two bytes of it are a
// protocol and a port, and are left out if the port is not in the range, is
// refused or is that of the knock before.
func (r *Rotation) Knocks(door string, step int64) []packet.Port {
	knocks := make([]packet.Port, 0, r.shape.Knocks)
	for i := 0; ; i++ {
		for block := r.stream(door, step, i); len(block) > 0; block = block[2:] {
			p, ok := r.shape.draw(binary.BigEndian.Uint16(block))
			if !ok || len(knocks) > 0 && knocks[len(knocks)-1].Number == p.Number {
				continue
			}
			if knocks = append(knocks, p); len(knocks) == r.shape.Knocks {
				return knocks
			}
		}
	}
}

// stream returns a block of the key stream, valid until the next call.
func (r *Rotation) stream(door string, step int64, i int) []byte {
	r.text = append(r.text[:0], "sallyport rotating v1 "...)
	r.text = append(append(r.text, door...), ' ')
	r.text = append(strconv.AppendInt(r.text, step, 10), ' ')
	r.text = strconv.AppendInt(r.text, int64(i), 10)
	r.mac.Reset()
	_, _ = r.mac.Write(r.text)
	r.block = r.mac.Sum(r.block[:0])
	return r.block
}

// draw reads 16 bits: the highest is the protocol, the others are the port.
func (s Shape) draw(w uint16) (packet.Port, bool) {
	p := packet.Port{Proto: packet.TCP, Number: w & HighestPort}
	if s.Protos == OnlyUDP || s.Protos == BothProtos && w > HighestPort {
		p.Proto = packet.UDP
	}
	return p, s.First <= p.Number && p.Number <= s.Last && !Refused(p.Number)
}
