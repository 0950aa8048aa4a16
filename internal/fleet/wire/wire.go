// Package wire writes and reads the one form that things of the fleet have: numbers of a
// fixed size, most significant byte first; texts and lists with their length before them,
// in two bytes.
package wire

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// Writer gathers what is written.
type Writer struct{ Out []byte }

func (w *Writer) U8(n byte)     { w.Out = append(w.Out, n) }
func (w *Writer) U16(n uint16)  { w.Out = binary.BigEndian.AppendUint16(w.Out, n) }
func (w *Writer) U32(n uint32)  { w.Out = binary.BigEndian.AppendUint32(w.Out, n) }
func (w *Writer) U64(n uint64)  { w.Out = binary.BigEndian.AppendUint64(w.Out, n) }
func (w *Writer) Raw(b []byte)  { w.Out = append(w.Out, b...) }
func (w *Writer) Text(s string) { w.U16(uint16(len(s))); w.Out = append(w.Out, s...) }

// Flag writes one byte.
func (w *Writer) Flag(b bool) {
	if b {
		w.U8(1)
	} else {
		w.U8(0)
	}
}

// Time writes milliseconds since 1970; the zero time is 0.
func (w *Writer) Time(t time.Time) {
	if t.IsZero() {
		w.U64(0)
	} else {
		w.U64(uint64(t.UnixMilli()))
	}
}

// Prefix writes a network by its text.
func (w *Writer) Prefix(p netip.Prefix) { w.Text(p.String()) }

// Reader reads what Writer writes, out of bytes that anyone may have written. Once
// something is wrong it returns zeros alone, and Bad says so.
type Reader struct {
	Rest []byte
	Bad  bool
}

// Done reports whether all was right and nothing is left.
func (r *Reader) Done() bool { return !r.Bad && len(r.Rest) == 0 }

// Raw reads n bytes.
func (r *Reader) Raw(n int) []byte {
	if r.Bad || n < 0 || n > len(r.Rest) {
		r.Bad, r.Rest = true, nil
		return nil
	}
	b := r.Rest[:n:n]
	r.Rest = r.Rest[n:]
	return b
}

// U8 reads a byte.
func (r *Reader) U8() byte {
	if b := r.Raw(1); b != nil {
		return b[0]
	}
	return 0
}

// U16 reads two bytes.
func (r *Reader) U16() uint16 {
	if b := r.Raw(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

// U32 reads four bytes.
func (r *Reader) U32() uint32 {
	if b := r.Raw(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

// U64 reads eight bytes.
func (r *Reader) U64() uint64 {
	if b := r.Raw(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// Flag reads a byte that is 0 or 1.
func (r *Reader) Flag() bool {
	n := r.U8()
	r.Bad = r.Bad || n > 1
	return n == 1
}

// Text reads a text of at most most bytes.
func (r *Reader) Text(most int) string {
	n := int(r.U16())
	if n > most {
		r.Bad = true
	}
	return string(r.Raw(n))
}

// mostTime is the end of the year 9999, in milliseconds.
const mostTime = 253402300799999

// Time reads a time.
func (r *Reader) Time() time.Time {
	n := r.U64()
	switch {
	case n == 0:
		return time.Time{}
	case n > mostTime:
		r.Bad = true
		return time.Time{}
	}
	return time.UnixMilli(int64(n)).UTC()
}

// Prefix reads a network in the one form that netip gives it.
func (r *Reader) Prefix() netip.Prefix {
	text := r.Text(len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255/128"))
	p, err := netip.ParsePrefix(text)
	if err != nil || p.String() != text || p != p.Masked() || p.Addr().Is4In6() {
		r.Bad = true
		return netip.Prefix{}
	}
	return p
}
