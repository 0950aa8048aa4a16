package roll

import (
	"math"
	"net/netip"

	"sallyport/internal/fleet/wire"
)

// writer adds lists to the form that things of the fleet have: their length is in two bytes.
type writer struct{ wire.Writer }

func writerOf(begun []byte) writer { return writer{wire.Writer{Out: begun}} }

func (w *writer) texts(list []string) {
	w.U16(uint16(len(list)))
	for _, s := range list {
		w.Text(s)
	}
}

func (w *writer) prefixes(list []netip.Prefix) {
	w.U16(uint16(len(list)))
	for _, p := range list {
		w.Text(p.String())
	}
}

// reader reads what writer writes, out of bytes that anybody may have written. Once
// something is wrong, it returns nothing but zeros, and Bad says so.
type reader struct{ wire.Reader }

func readerOf(text []byte) reader { return reader{wire.Reader{Rest: text}} }

func (r *reader) hash() (h Hash) {
	copy(h[:], r.Raw(len(h)))
	return h
}

// text reads a text of any length; what it may be is checked where it is known.
func (r *reader) text() string { return r.Text(math.MaxUint16) }

// count reads the length of a list, which is at most most. What is not there cannot be
// counted, so no list is made that is longer than what was sent.
func (r *reader) count(most int) int {
	n := int(r.U16())
	if n > most {
		r.Bad = true
	}
	if r.Bad {
		return 0
	}
	return n
}

func (r *reader) texts(most int) (list []string) {
	for n := r.count(most); n > 0 && !r.Bad; n-- {
		list = append(list, r.text())
	}
	return list
}

// prefixes reads addresses and networks, each in the one form that netip gives it.
func (r *reader) prefixes(most int) (list []netip.Prefix) {
	for _, text := range r.texts(most) {
		p, err := netip.ParsePrefix(text)
		if err != nil || p.String() != text {
			r.Bad = true
			return nil
		}
		list = append(list, p)
	}
	return list
}
