package lint

import (
	"slices"

	"sallyport/internal/packet"
)

// inside finds the sequences that are part of a longer one without beginning
// it: as spelled, with the owner of one that is longer.
func (in input) inside() map[string]string {
	all := in.lasting()
	have := make(map[string]bool, len(all))
	var lengths []int
	for _, s := range all {
		have[spell(s.knocks)] = true
		if n := len(s.knocks); !slices.Contains(lengths, n) {
			lengths = append(lengths, n)
		}
	}
	found := make(map[string]string)
	for _, s := range all {
		text := spell(s.knocks)
		for at := 1; at < len(s.knocks); at++ {
			for _, n := range lengths {
				if at+n > len(s.knocks) {
					continue
				}
				if part := text[at*knockSize : (at+n)*knockSize]; have[part] {
					found[part] = s.owner
				}
			}
		}
	}
	return found
}

// alike finds pairs of sequences of different doors that differ in one knock:
// the index of an earlier one for that of a later.
func alike(all []static) map[int]int {
	found := make(map[int]int)
	first := make(map[string]int) // spelled with one knock left out
	for i, s := range all {
		text := []byte(spell(s.knocks))
		for at := 0; at < len(text); at += knockSize {
			var knock [knockSize]byte
			copy(knock[:], text[at:])
			clear(text[at : at+knockSize]) // no knock is 0
			j, seen := first[string(text)]
			if !seen {
				first[string(text)] = i
			} else if all[j].owner != s.owner && !slices.Equal(all[j].knocks, s.knocks) {
				found[i] = j
			}
			copy(text[at:], knock[:])
		}
	}
	return found
}

const knockSize = 3

// spell writes a sequence as a string, knockSize bytes a knock.
func spell(knocks []packet.Port) string {
	text := make([]byte, 0, len(knocks)*knockSize)
	for _, p := range knocks {
		text = append(text, byte(p.Proto), byte(p.Number>>8), byte(p.Number))
	}
	return string(text)
}
