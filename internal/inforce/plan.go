package inforce

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"sallyport/internal/config"
	"sallyport/internal/packet"
)

// planHead is the first line of a plan, for people.
const planHead = "# What Sallyport has closed. It closes this again if neither the configuration nor its copy can be read.\n"

// planOf writes down what a configuration closes, and for whom it does not: a
// word and its value on each line. Every later version reads this, so a word
// keeps its meaning for ever; a version adds words, and skips those that it
// does not know.
func planOf(cfg *config.Config) []byte {
	var b bytes.Buffer
	b.WriteString(planHead)
	line := func(word string, value any) { fmt.Fprintln(&b, word, value) }
	line("path", cfg.Path)
	line("state_dir", cfg.Daemon.StateDir)
	line("socket", cfg.Daemon.Socket)
	line("policy", cfg.Gate.Policy)
	line("closed", cfg.Gate.Closed)
	for _, name := range cfg.Gate.Interfaces {
		line("interface", name)
	}
	for _, p := range cfg.Gate.Public {
		line("public", p)
	}
	for _, p := range cfg.Gate.Trusted {
		line("trusted", p)
	}
	for _, d := range cfg.Doors {
		line("door", d.Name)
		for _, p := range d.Ports {
			line("port", p)
		}
		for _, p := range d.To {
			line("to", p)
		}
	}
	return b.Bytes()
}

// readPlan makes a configuration of a plan: it closes the same, and nobody but
// trusted sources gets in.
func readPlan(text []byte, dir string) (*config.Config, error) {
	cfg := &config.Config{
		Daemon: config.Daemon{StateDir: dir, Socket: config.DefaultSocket},
		Gate:   config.Gate{Policy: config.PolicyDoors, Closed: config.ClosedDrop},
		Moat:   config.Moat{Mode: config.MoatOff},
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		word, value, _ := strings.Cut(strings.TrimSpace(lines.Text()), " ")
		readWord(cfg, word, value)
	}
	cfg.Journal.Path = cfg.Daemon.StateDir + "/journal.db"
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read what was closed: %w", err)
	}
	if cfg.Gate.Policy != config.PolicyAll && len(cfg.Doors) == 0 {
		return nil, errors.New("read what was closed: it names no port")
	}
	return cfg, nil
}

// readWord takes one line of a plan. What is not understood is left out, so
// that one damaged line does not open all other ports.
func readWord(cfg *config.Config, word, value string) {
	port, noPort := packet.ParsePort(value)
	prefix, noPrefix := netip.ParsePrefix(value)
	door := &config.Door{}
	if n := len(cfg.Doors); n > 0 {
		door = &cfg.Doors[n-1]
	}
	switch {
	case word == "path":
		cfg.Path = value
	case word == "state_dir" && strings.HasPrefix(value, "/"):
		cfg.Daemon.StateDir = value
	case word == "socket" && strings.HasPrefix(value, "/"):
		cfg.Daemon.Socket = value
	case word == "policy" && value == string(config.PolicyAll):
		cfg.Gate.Policy = config.PolicyAll
	case word == "closed" && value == string(config.ClosedReject):
		cfg.Gate.Closed = config.ClosedReject
	case word == "interface" && value != "":
		cfg.Gate.Interfaces = append(cfg.Gate.Interfaces, value)
	case word == "public" && noPort == nil:
		cfg.Gate.Public = append(cfg.Gate.Public, port)
	case word == "trusted" && noPrefix == nil && prefix.Bits() > 0:
		cfg.Gate.Trusted = append(cfg.Gate.Trusted, prefix.Masked())
	case word == "door":
		cfg.Doors = append(cfg.Doors, config.Door{Name: value, OpenFor: config.DefaultOpenFor})
	case word == "port" && noPort == nil:
		door.Ports = append(door.Ports, port)
	case word == "to" && noPrefix == nil:
		door.To = append(door.To, prefix.Masked())
	}
}
