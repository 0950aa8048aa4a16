//go:build !linux

package moat

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"sallyport/internal/event"
)

var errUnsupported = fmt.Errorf("the moat works on Linux only: %w", errors.ErrUnsupported)

// Moat is the loaded program and its attachments. There is none here.
type Moat struct{}

// New returns an error.
func New(string, *slog.Logger) (*Moat, error) { return nil, errUnsupported }

// Remove has nothing to do.
func Remove(string) error { return nil }

// SetKeys returns an error.
func (*Moat) SetKeys(time.Time, Keys) error { return errUnsupported }

// SetHost returns an error.
func (*Moat) SetHost(Host) error { return errUnsupported }

// Sync returns an error.
func (*Moat) Sync(Policy) error { return errUnsupported }

// Run returns an error.
func (*Moat) Run(context.Context, func() Policy, <-chan struct{}) error { return errUnsupported }

// Contacts returns an error.
func (*Moat) Contacts(time.Time, int) ([]Contact, event.Contacts, error) {
	return nil, event.Contacts{}, errUnsupported
}

// Covers returns false.
func (*Moat) Covers() bool { return false }

// Counters returns an error.
func (*Moat) Counters() (Counters, error) { return Counters{}, errUnsupported }

// Attachments returns nothing.
func (*Moat) Attachments() []Attachment { return nil }

// Close has nothing to do.
func (*Moat) Close() error { return nil }
