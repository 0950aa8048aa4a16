package spa

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/crypto/chacha20poly1305"

	"sallyport/internal/phrase"
)

// Status is what became of a request.
type Status uint8

// What a server answers.
const (
	Opened  Status = 1
	Closed  Status = 2 // the grant has been given back
	Refused Status = 3

	Enrolled Status = 4 // the key is that of a client now
)

// Why a client that has proved itself was refused.
const (
	UnknownDoor   Reason = "unknown-door"
	ForbiddenDoor Reason = "forbidden-door"
	ForbiddenFrom Reason = "forbidden-from"
	KeyExpired    Reason = "key-expired"
	WrongAddress  Reason = "wrong-address"
	NotOpened     Reason = "not-opened" // the firewall did not take the grant

	ForbiddenWay Reason = "forbidden-way" // the client may not use this suite, or no STUN
)

// ackReasons holds the reasons by their number on the wire.
var ackReasons = [...]Reason{"", UnknownDoor, ForbiddenDoor, ForbiddenFrom, KeyExpired, WrongAddress, NotOpened, ForbiddenWay}

// AckDoor is a door in an acknowledgement.
type AckDoor struct {
	ID     [4]byte       // see DoorID
	For    time.Duration // how long it stays open; whole seconds; 0 in a Closed
	Single bool          // for one connection
}

// Ack is a server's answer to one message of an authenticated client.
type Ack struct {
	Status Status
	Reason Reason     // of a Refused
	OldKey bool       // the message was sealed to a key that will soon end: fetch a new profile; set by SealAck
	Time   time.Time  // the server's clock
	Source netip.Addr // where the message came from
	Doors  []AckDoor  // the first MaxAckDoors
	Total  int        // how many there are, up to 255; set by SealAck
}

// MaxAckDoors is how many doors an acknowledgement names.
const MaxAckDoors = 8

// AckSize is the size of every acknowledgement in bytes, less than that of any
// message.
const AckSize = chacha20poly1305.NonceSize + ackPlainSize + chacha20poly1305.Overhead

const (
	ackInfo      = "sallyport ack v1"
	ackKeySize   = chacha20poly1305.KeySize
	ackDoorSize  = 8
	ackHeadSize  = 26
	ackPlainSize = ackHeadSize + MaxAckDoors*ackDoorSize
	ackOldKey    = 1 << 0
	ackSingle    = 1 << 0
	maxAckFor    = 1<<24 - 1 // seconds
)

// SealAck makes the datagram that answers the message. Only a message whose
// proof has been verified, and which the replay guard has recorded, may be
// answered.
func (m *Message) SealAck(a Ack) ([]byte, error) {
	a.OldKey = m.Previous
	a.Total = min(len(a.Doors), 255)
	a.Doors = a.Doors[:min(len(a.Doors), MaxAckDoors)]
	plain, err := a.marshal()
	if err != nil {
		return nil, fmt.Errorf("seal an acknowledgement: %w", err)
	}
	ackKey, err := m.recipient.Export(ackInfo, ackKeySize)
	if err != nil {
		return nil, fmt.Errorf("seal an acknowledgement: %w", err)
	}
	aead, err := chacha20poly1305.New(ackKey)
	if err != nil {
		return nil, fmt.Errorf("seal an acknowledgement: %w", err)
	}
	nonce := make([]byte, chacha20poly1305.NonceSize, AckSize)
	rand.Read(nonce) // never fails: crypto/rand ends the program instead
	return aead.Seal(nonce, nonce, plain, m.front), nil
}

var errNotAck = errors.New("not an acknowledgement of this knock")

// OpenAck opens the answer to this message. It refuses the answer to any other.
func (s *Sealed) OpenAck(datagram []byte) (Ack, error) {
	if len(datagram) != AckSize {
		return Ack{}, errNotAck
	}
	aead, err := chacha20poly1305.New(s.ackKey)
	if err != nil {
		return Ack{}, errNotAck
	}
	nonce, sealed := datagram[:chacha20poly1305.NonceSize], datagram[chacha20poly1305.NonceSize:]
	plain, err := aead.Open(nil, nonce, sealed, s.Datagram[:frontSize])
	if err != nil {
		return Ack{}, errNotAck
	}
	return parseAck(plain)
}

func (a Ack) marshal() ([]byte, error) {
	reason := a.reasonNumber()
	if err := a.check(reason); err != nil {
		return nil, err
	}
	b := make([]byte, 0, ackPlainSize)
	b = append(b, byte(a.Status), reason, bit(a.OldKey, ackOldKey), byte(a.Total))
	b = appendMillis(b, a.Time)
	b = appendAddress(b, a.Source)
	for _, d := range a.Doors {
		b = append(b, d.ID[:]...)
		b = binary.BigEndian.AppendUint32(b, uint32(bit(d.Single, ackSingle))<<24|uint32(d.For/time.Second))
	}
	return b[:ackPlainSize], nil
}

func (a Ack) reasonNumber() byte {
	for i, r := range ackReasons {
		if r == a.Reason {
			return byte(i)
		}
	}
	return 0
}

// check says what an acknowledgement must be like for a server to write it.
func (a Ack) check(reason byte) error {
	switch {
	case a.Status != Opened && a.Status != Closed && a.Status != Refused && a.Status != Enrolled:
		return fmt.Errorf("unknown status %d", a.Status)
	case (a.Status == Refused) != (reason != 0):
		return fmt.Errorf("status %d with the reason %q", a.Status, a.Reason)
	case a.Time.UnixMilli() < 0 || a.Time.UnixMilli() >= 1<<48:
		return fmt.Errorf("time %v is out of range", a.Time)
	case !a.Source.IsValid() || a.Source.Zone() != "" || a.Source.IsUnspecified():
		return fmt.Errorf("no address such as %v", a.Source)
	case len(a.Doors) != min(a.Total, MaxAckDoors):
		return fmt.Errorf("%d doors of %d", len(a.Doors), a.Total)
	}
	for _, d := range a.Doors {
		if d.For < 0 || d.For > maxAckFor*time.Second || d.For%time.Second != 0 {
			return fmt.Errorf("a door open for %v", phrase.Duration(d.For))
		}
	}
	return nil
}

// parseAck reads what marshal writes, and nothing else.
func parseAck(b []byte) (Ack, error) {
	if len(b) != ackPlainSize || int(b[1]) >= len(ackReasons) {
		return Ack{}, errNotAck
	}
	a := Ack{
		Status: Status(b[0]),
		Reason: ackReasons[b[1]],
		OldKey: b[2]&ackOldKey != 0,
		Total:  int(b[3]),
		Time:   millis(b[4:10]),
		Source: address(b[10:26]),
	}
	for rest := b[ackHeadSize:]; len(a.Doors) < min(a.Total, MaxAckDoors); rest = rest[ackDoorSize:] {
		word := binary.BigEndian.Uint32(rest[4:8])
		a.Doors = append(a.Doors, AckDoor{
			ID:     [4]byte(rest[:4]),
			For:    time.Duration(word&maxAckFor) * time.Second,
			Single: word>>24 == ackSingle,
		})
	}
	if again, err := a.marshal(); err != nil || string(again) != string(b) {
		return Ack{}, errNotAck
	}
	return a, nil
}

func bit(set bool, value byte) byte {
	if set {
		return value
	}
	return 0
}
