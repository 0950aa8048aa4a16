//go:build linux

package console

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"sync"
	"time"
)

const (
	challengeFor    = 5 * time.Minute
	challengeRandom = 16
	challengeMAC    = 16
	challengeLength = challengeRandom + 8 + challengeMAC
)

// challenges are what passkeys sign. Anyone may ask for one, so that none is kept: each
// says itself until when it is good, under a key of this run. Only those are kept that
// someone has logged in with.
type challenges struct {
	key [sha256.Size]byte

	mu    sync.Mutex
	spent map[string]time.Time // until when it would be good
}

func newChallenges() *challenges {
	c := &challenges{spent: make(map[string]time.Time)}
	_, _ = rand.Read(c.key[:]) // it never fails
	return c
}

func (c *challenges) make(now time.Time) []byte {
	b := make([]byte, challengeRandom, challengeLength)
	_, _ = rand.Read(b) // it never fails
	b = binary.BigEndian.AppendUint64(b, uint64(now.Add(challengeFor).Unix()))
	return append(b, c.mac(b)...)
}

func (c *challenges) mac(b []byte) []byte {
	m := hmac.New(sha256.New, c.key[:])
	m.Write(b)
	return m.Sum(nil)[:challengeMAC]
}

// good reports whether a challenge is ours, and until when.
func (c *challenges) good(now time.Time, text string) (until time.Time, ok bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) != challengeLength {
		return until, false
	}
	signed := b[:challengeRandom+8]
	until = time.Unix(int64(binary.BigEndian.Uint64(signed[challengeRandom:])), 0)
	return until, hmac.Equal(b[len(signed):], c.mac(signed)) && now.Before(until)
}

// spend reports whether a challenge is used for the first time.
func (c *challenges) spend(now time.Time, text string, until time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for one, end := range c.spent {
		if !now.Before(end) {
			delete(c.spent, one)
		}
	}
	if _, used := c.spent[text]; used {
		return false
	}
	c.spent[text] = until
	return true
}
