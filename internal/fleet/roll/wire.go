package roll

import (
	"encoding/binary"
	"net/netip"
)

// writer writes the one form that things have: numbers of a fixed size, most significant
// byte first; texts with their length in two bytes; lists with their length in two bytes.
type writer struct{ out []byte }

func (w *writer) u8(n byte)     { w.out = append(w.out, n) }
func (w *writer) u16(n uint16)  { w.out = binary.BigEndian.AppendUint16(w.out, n) }
func (w *writer) u32(n uint32)  { w.out = binary.BigEndian.AppendUint32(w.out, n) }
func (w *writer) u64(n uint64)  { w.out = binary.BigEndian.AppendUint64(w.out, n) }
func (w *writer) raw(b []byte)  { w.out = append(w.out, b...) }
func (w *writer) text(s string) { w.u16(uint16(len(s))); w.out = append(w.out, s...) }

func (w *writer) flag(b bool) {
	if b {
		w.u8(1)
	} else {
		w.u8(0)
	}
}

func (w *writer) texts(list []string) {
	w.u16(uint16(len(list)))
	for _, s := range list {
		w.text(s)
	}
}

func (w *writer) prefixes(list []netip.Prefix) {
	w.u16(uint16(len(list)))
	for _, p := range list {
		w.text(p.String())
	}
}

// reader reads what writer writes, out of bytes that anybody may have written. Once
// something is wrong, it returns nothing but zeros, and bad says so.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) raw(n int) []byte {
	if r.bad || n < 0 || n > len(r.rest) {
		r.bad, r.rest = true, nil
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) u8() byte {
	if b := r.raw(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) u16() uint16 {
	if b := r.raw(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (r *reader) u32() uint32 {
	if b := r.raw(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (r *reader) u64() uint64 {
	if b := r.raw(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (r *reader) hash() (h Hash) {
	copy(h[:], r.raw(len(h)))
	return h
}

func (r *reader) flag() bool {
	n := r.u8()
	r.bad = r.bad || n > 1
	return n == 1
}

func (r *reader) text() string { return string(r.raw(int(r.u16()))) }

// count reads the length of a list, which is at most most. What is not there cannot be
// counted, so no list is made that is longer than what was sent.
func (r *reader) count(most int) int {
	n := int(r.u16())
	if n > most {
		r.bad = true
	}
	if r.bad {
		return 0
	}
	return n
}

func (r *reader) texts(most int) (list []string) {
	for n := r.count(most); n > 0 && !r.bad; n-- {
		list = append(list, r.text())
	}
	return list
}

// prefixes reads addresses and networks, each in the one form that netip gives it.
func (r *reader) prefixes(most int) (list []netip.Prefix) {
	for _, text := range r.texts(most) {
		p, err := netip.ParsePrefix(text)
		if err != nil || p.String() != text {
			r.bad = true
			return nil
		}
		list = append(list, p)
	}
	return list
}
