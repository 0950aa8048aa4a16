//go:build linux

package drill

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"sallyport/internal/consent"
	"sallyport/internal/packet"
	"sallyport/internal/strictjson"
)

// Record is what was done from elsewhere, by the clock of the machine that did it. It
// is signed with the token: the gate grades it as it was written.
type Record struct {
	Version string     `json:"version"` // of the program
	Consent string     `json:"consent"`
	Host    string     `json:"host"`    // as it was named
	Address netip.Addr `json:"address"` // that was attacked
	Began   time.Time  `json:"began"`   // the first packet
	Ended   time.Time  `json:"ended"`   // the last one
	Sent    int        `json:"sent"`    // packets, at most
	Acts    []Act      `json:"attacks"`
	Proof   []byte     `json:"proof"`
}

// Act is one attack that was carried out from elsewhere.
type Act struct {
	ID      string        `json:"id"`
	Began   time.Time     `json:"began,omitzero"`
	Ended   time.Time     `json:"ended,omitzero"`
	Sent    int           `json:"sent"`
	Opened  []packet.Port `json:"opened"`            // ports of doors that let the attacker in afterwards
	Wrong   string        `json:"wrong,omitempty"`   // what was seen that must not be
	Broken  string        `json:"broken,omitempty"`  // why it could not be carried out
	Skipped string        `json:"skipped,omitempty"` // what the gate lacks for it
}

// Sign signs the record.
func (r *Record) Sign(t consent.Token) {
	r.Proof = nil
	r.Proof = t.Sign(r.text())
}

func (r Record) text() []byte {
	text, _ := json.Marshal(r) // nothing in it can fail
	return text
}

// ReadRecord reads a record of what was done with a token.
func ReadRecord(from io.Reader, t consent.Token) (Record, error) {
	var r Record
	text, err := io.ReadAll(io.LimitReader(from, maxRecord+1))
	switch {
	case err != nil:
		return r, err
	case len(text) > maxRecord || strictjson.Lenient(text, &r) != nil || len(r.Acts) == 0:
		return r, errors.New("this is no record of a drill: want what sallyport drill --from prints")
	case r.Consent != t.ID:
		return r, fmt.Errorf("the record is of the consent %.20q, and the token of %q", r.Consent, t.ID)
	}
	proof := r.Proof
	r.Proof = nil
	if !t.Signed(r.text(), proof) {
		return r, errors.New("the record is not as it was written: something in it was changed")
	}
	r.Proof = proof
	return r, nil
}

// maxRecord is far more than the record of all attacks takes.
const maxRecord = 1 << 20
