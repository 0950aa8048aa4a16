package main

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"sallyport/internal/packet"
)

const textHead = `# Sallyport. After a change: sallyport check, then sallyport reload.
# Clients and doors can also stand in files of their own, in conf.d/*.toml.

[daemon]
state_dir = %q
socket    = %q

[gate]
policy  = "doors"   # only doors are closed; "all" closes everything but what is public
closed  = "drop"    # or "reject", where this host's other closed ports answer
trusted = []        # sources that are never gated, such as ["192.168.1.0/24"]

[spa]
port = %d        # UDP; looks like every other closed port
`

const textDoor = `
[[door]]
name     = %q
ports    = [%s]
open_for = %q   # how long new connections are let in; those that are there stay
`

// text is the configuration.
func (s *setup) text() ([]byte, error) {
	for _, d := range s.doors {
		for _, p := range d.ports {
			s.taken[p] = true
		}
	}
	spaPort, err := s.pick(packet.UDP)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, textHead, s.state, s.socket, spaPort.Number)
	for _, d := range s.doors {
		fmt.Fprintf(&b, textDoor, d.name, quoted(d.words()), s.openFor)
		if !s.sequences {
			continue
		}
		sequence, err := s.sequence()
		if err != nil {
			return nil, err
		}
		var words []string
		for _, p := range sequence {
			words = append(words, strconv.Quote(p.String()))
		}
		fmt.Fprintf(&b, "sequence = [%s]   # a secret\nwithin   = \"10s\"\n", strings.Join(words, ", "))
	}
	return b.Bytes(), nil
}
