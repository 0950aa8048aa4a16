package setup

import (
	"bytes"
	"fmt"
	"strings"

	"sallyport/internal/config"
	"sallyport/internal/packet"
)

const textHead = `# Sallyport. After a change: sallyport check, then sallyport reload.
# Clients and doors can also stand in files of their own, in conf.d/*.toml.

[daemon]
state_dir = %s
socket    = %s

[gate]
policy  = "doors"   # only doors are closed; "all" closes everything but what is public
closed  = "drop"    # or "reject", where this host's other closed ports answer
trusted = []        # sources that are never gated, such as [%s]%s

[spa]
port = %d        # UDP; looks like every other closed port
`

const textDoor = `
[[door]]
name     = %s
ports    = [%s]
open_for = %s   # how long new connections are let in; those that are there stay
`

const textConsole = `
[api]
act = ["sallyport-console"]   # the console may see everything but secrets, open, revoke and ban
`

// Text is the configuration.
func (s *Setup) Text() ([]byte, error) {
	for _, d := range s.Doors {
		s.Take(d.Ports...)
	}
	spaPort, err := s.pick(packet.UDP)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	example, whose := "192.168.1.0/24", ""
	if len(s.Bridges) > 0 {
		example, whose = s.Bridges[0].Networks[0].String(), ", the containers behind "+s.Bridges[0].Name
	}
	fmt.Fprintf(&b, textHead, config.Quote(s.State), config.Quote(s.Socket), config.Quote(example), whose, spaPort.Number)
	for _, d := range s.Doors {
		fmt.Fprintf(&b, textDoor, config.Quote(d.Name), quoted(d.Words()), config.Quote(s.OpenFor))
		if !s.Sequences {
			continue
		}
		sequence, err := s.Sequence()
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "sequence = [%s]   # a secret\nwithin   = \"10s\"\n", quoted(sequence))
	}
	if s.Console {
		b.WriteString(textConsole)
	}
	return b.Bytes(), nil
}

func quoted[T any](words []T) string {
	list := make([]string, len(words))
	for i, w := range words {
		list[i] = config.Quote(fmt.Sprint(w))
	}
	return strings.Join(list, ", ")
}
