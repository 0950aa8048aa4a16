//go:build linux

package fleet

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"sallyport/internal/fleet/archive"
	"sallyport/internal/fleet/certs"
	"sallyport/internal/fleet/follow"
	"sallyport/internal/fleet/roll"
	"sallyport/internal/phrase"
)

// noteCerts notes which certificates end soon; nil: of those that are known.
func (f *Fleet) noteCerts(list []certs.Cert) {
	f.mu.Lock()
	if list == nil {
		list = f.certs
	}
	f.certs = list
	f.mu.Unlock()
	var due []string
	for _, c := range list {
		if text, _ := c.Due(time.Now()); text != "" {
			due = append(due, text)
		}
	}
	text := strings.Join(due, "; ")
	switch {
	case text == "":
		f.Problems.Clear(subjectCerts)
	case f.Problems.Get(subjectCerts) != text: // when it begins, and when it has ended
		f.Problems.Fail(subjectCerts, text)
	}
}

// away notes that etcd cannot be followed.
func (f *Fleet) away(err error) {
	if errors.Is(err, archive.ErrNone) || errors.Is(err, roll.ErrFork) {
		return // distrust has said it
	}
	text := fmt.Sprintf("etcd is away (%v); it was heard of %s", err, ago(f.fresh.Load().Aged(now())))
	if f.Problems.Get(subjectStore) == "" {
		f.Problems.Fail(subjectStore, text)
		return
	}
	f.Problems.Note(subjectStore, text)
}

// manyBad is how many records that do not count are named.
const manyBad = 5

func (f *Fleet) noteBad(bad []string) {
	if len(bad) == 0 {
		f.Problems.Clear(subjectBad)
		return
	}
	slices.Sort(bad)
	text := "records in etcd do not count: " + strings.Join(bad[:min(len(bad), manyBad)], "; ")
	if more := len(bad) - manyBad; more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	f.Problems.Note(subjectBad, text)
}

// noteSelf notes whether the roll knows this gate as it is.
func (f *Fleet) noteSelf() {
	var self roll.Gate
	there := true
	f.look(func(v *follow.View) { self, there = v.Self() })
	switch {
	case !there:
		f.Problems.Note(subjectSelf, fmt.Sprintf("the roll knows no gate %s: its own clients alone get in; an operator has to sign it in", f.gate))
	case self.Key != nil && !self.Key.Equal(f.signs().Public()):
		f.Problems.Note(subjectSelf, fmt.Sprintf("the roll has another key for gate %s: what it writes counts for nothing; run: sallyport fleet rotate-key, or join again", f.gate))
	default:
		f.Problems.Clear(subjectSelf)
	}
}

// fresher reports whether etcd has been heard of just now.
func (f *Fleet) fresher() bool { return f.fresh.Load().Aged(now()) < 2*lookEvery }

func (f *Fleet) noteClosed(doors []string) {
	if len(doors) == 0 {
		f.Problems.Clear(subjectAge)
		return
	}
	f.Problems.Fail(subjectAge, fmt.Sprintf("etcd has been away for longer than without_fleet of %s says: clients of the fleet do not get in", phrase.Some(doors, manyBad)))
}

func (f *Fleet) noteKept(err error) {
	if err != nil {
		f.Problems.Note("fleet disk", "what is known of the fleet is not on the disk: "+err.Error()+"; after a restart without etcd, clients could get in who were revoked")
		return
	}
	f.Problems.Clear("fleet disk")
}
