package gate

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/event"
	"sallyport/internal/packet"
	"sallyport/internal/sequence"
)

// proofOf names what someone shows to have a door opened. It is kept as secretly
// as the configuration is: a static sequence can be guessed from it.
func proofOf(kind string, what []byte) event.Proof {
	sum := sha256.Sum256(append([]byte("sallyport proof v1 "+kind+"\x00"), what...))
	return event.Proof(sum[:8])
}

func keyProof(c *config.Client) event.Proof { return proofOf("key", c.Key.Marshal()) }

func fwknopProof(c *config.Client) event.Proof {
	id := c.Fwknop.ID()
	return proofOf("fwknop", id[:])
}

func secretProof(s sequence.Secret) event.Proof { return proofOf("rotating", []byte(s.Text())) }

func sequenceProof(knocks []packet.Port) event.Proof {
	var text []byte
	for _, k := range knocks {
		text = binary.BigEndian.AppendUint16(append(text, byte(k.Proto)), k.Number)
	}
	return proofOf("sequence", text)
}

// oneTimeProof is one for all one-time sequences of a door: those that have been used
// may be taken out of their file.
var oneTimeProof = proofOf("one-time", nil)

// static returns what opens a door without a client.
func static(cfg *config.Config, door *config.Door, now time.Time) (list []event.Proof) {
	add := func(knocks []packet.Port) {
		if len(knocks) > 0 {
			list = append(list, sequenceProof(knocks))
		}
	}
	add(door.Sequence)
	if now.Before(door.PreviousUntil) {
		add(door.Previous)
	}
	for _, g := range cfg.Groups {
		if slices.Contains(g.Doors, door.Name) {
			add(g.Sequence)
		}
	}
	if door.SequencesFile != "" {
		list = append(list, oneTimeProof)
	}
	return list
}

// proofs returns what a client can prove himself with.
func proofs(c *config.Client, now time.Time) (list []event.Proof) {
	if c.Key != nil {
		list = append(list, keyProof(c))
	}
	if c.Fwknop != nil {
		list = append(list, fwknopProof(c))
	}
	for _, s := range c.Rotating.Secrets(now) {
		list = append(list, secretProof(s))
	}
	return list
}
