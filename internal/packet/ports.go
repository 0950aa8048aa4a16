package packet

import (
	"fmt"
	"strconv"
	"strings"
)

// Range is a port, or all from one to another.
type Range struct {
	First Port
	Last  uint16
}

// ParseRange reads a port as ParsePort does, or a range of at least two, written
// "udp/60000-60050".
func ParseRange(s string) (Range, error) {
	head, tail, several := strings.Cut(s, "-")
	first, err := ParsePort(head)
	if err != nil || !several {
		return Range{first, first.Number}, err
	}
	last, err := ParsePort(first.Proto.String() + "/" + tail)
	if err != nil || last.Number <= first.Number {
		return Range{}, fmt.Errorf("%q is not a range of ports: want one such as %q", s, "udp/60000-60050")
	}
	return Range{first, last.Number}, nil
}

// Ports lists them.
func (r Range) Ports() []Port {
	list := make([]Port, 0, int(r.Last)-int(r.First.Number)+1)
	for n := int(r.First.Number); n <= int(r.Last); n++ {
		list = append(list, Port{r.First.Proto, uint16(n)})
	}
	return list
}

// Spell writes ports in their order, in words that ParseRange reads: three and
// more that follow each other are a range.
func Spell(ports []Port) []string {
	words := make([]string, 0, 1)
	for i := 0; i < len(ports); {
		run := 1
		for i+run < len(ports) && ports[i+run].Proto == ports[i].Proto && int(ports[i+run].Number) == int(ports[i].Number)+run {
			run++
		}
		if run < 3 {
			run = 1
		}
		word := ports[i].String()
		if run > 1 {
			word += "-" + strconv.Itoa(int(ports[i].Number)+run-1)
		}
		words = append(words, word)
		i += run
	}
	return words
}
