// Package journald writes to the journal of systemd, and reads it.
//
// It writes the daemon's log with fields of its own, so that "journalctl SALLYPORT_DOOR=ssh" works and programs
// that read the journal need not take lines apart. The message is the line that
// would stand on standard error, without the time, which the journal has.
//
// The protocol is a datagram for each message
// (https://systemd.io/JOURNAL_NATIVE_PROTOCOL/). The journal never holds the
// daemon up: what it does not take at once goes to standard error.
//
// It reads what others have logged from the journal's own files, whose format is
// documented and kept: there is no other interface that needs no program to be
// run and no library that is not Go's.
package journald

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"strings"
	"sync"
)

// Handler is a slog.Handler. Its methods may be called by several goroutines
// at once.
type Handler struct {
	shared *shared
	text   slog.Handler // writes the message into shared.line
	other  slog.Handler // takes what the journal does not
}

// shared is what handlers with different attributes have in common.
type shared struct {
	mu       sync.Mutex
	journal  io.Writer // a datagram for each Write; does not wait
	line     bytes.Buffer
	datagram []byte
}

var _ slog.Handler = (*Handler)(nil)

// newHandler writes to a journal, and to other what that does not take.
func newHandler(journal io.Writer, other slog.Handler, level slog.Leveler) *Handler {
	s := &shared{journal: journal}
	return &Handler{s, slog.NewTextHandler(&s.line, &slog.HandlerOptions{Level: level, ReplaceAttr: withoutTime}), other}
}

func withoutTime(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

// Enabled implements slog.Handler.
func (h *Handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.text.Enabled(ctx, level)
}

// WithAttrs implements slog.Handler.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &Handler{h.shared, h.text.WithAttrs(attrs), h.other.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h *Handler) WithGroup(name string) slog.Handler {
	return &Handler{h.shared, h.text.WithGroup(name), h.other.WithGroup(name)}
}

// Handle implements slog.Handler.
func (h *Handler) Handle(ctx context.Context, r slog.Record) error {
	if err := h.send(ctx, r); err != nil {
		return h.other.Handle(ctx, r)
	}
	return nil
}

func (h *Handler) send(ctx context.Context, r slog.Record) error {
	s := h.shared
	s.mu.Lock()
	defer s.mu.Unlock()
	s.line.Reset()
	if err := h.text.Handle(ctx, r); err != nil {
		return err
	}
	b := appendField(s.datagram[:0], "MESSAGE", strings.TrimSuffix(s.line.String(), "\n"))
	b = appendField(b, "PRIORITY", priority(r.Level))
	b = appendField(b, "SYSLOG_IDENTIFIER", "sallyport")
	if !strings.Contains(r.Message, " ") { // else it is no event but a remark
		b = appendField(b, "SALLYPORT_KIND", r.Message)
	}
	r.Attrs(func(a slog.Attr) bool {
		if name := fields[a.Key]; name != "" && a.Value.Kind() == slog.KindString {
			b = appendField(b, name, a.Value.String())
		}
		return true
	})
	s.datagram = b
	_, err := s.journal.Write(b)
	return err
}

// fields are the attributes of events that become fields.
var fields = map[string]string{
	"door": "SALLYPORT_DOOR", "client": "SALLYPORT_CLIENT", "source": "SALLYPORT_SOURCE",
	"reason": "SALLYPORT_REASON", "detail": "SALLYPORT_DETAIL",
}

// appendField writes a field in the form that takes any bytes: its length
// stands before it, so nothing in it can become another field.
func appendField(b []byte, name, value string) []byte {
	b = append(append(b, name...), '\n')
	b = binary.LittleEndian.AppendUint64(b, uint64(len(value)))
	return append(append(b, value...), '\n')
}

// priority is that of syslog (RFC 5424, section 6.2.1).
func priority(l slog.Level) string {
	switch {
	case l >= slog.LevelError:
		return "3"
	case l >= slog.LevelWarn:
		return "4"
	case l >= slog.LevelInfo:
		return "6"
	}
	return "7"
}
