package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"sallyport/internal/packet"
)

// talk shows what was found on this host and lets a person choose. It starts
// from what s says already.
func (s *setup) talk(ctx context.Context, std stdio, path string) error {
	d := newDialog(ctx, std)
	s.show(d)
	if err := d.ask("Which become doors? Numbers, all, or NAME=tcp/PORT", s.presetDoors(), s.chooseDoors); err != nil {
		return err
	}
	if err := d.ask("How long is a door open to who knocked?", "["+s.openFor+"]", s.chooseTime); err != nil {
		return err
	}
	var err error
	if s.sequences, err = d.yes("A secret sequence of knocks too, for those without an SSH key? It can be overheard", s.sequences); err != nil {
		return err
	}
	var names []string
	for _, door := range s.doors {
		names = append(names, door.name)
	}
	good, err := d.yes(fmt.Sprintf("Write %s with %s (%s)?", path, count(len(names), "door"), strings.Join(names, ", ")), true)
	if err == nil && !good {
		err = errLeft
	}
	return err
}

// show prints what was found.
func (s *setup) show(d dialog) {
	fmt.Fprintf(d.out, "%s Nothing is closed by it, and nothing is written before you say so.\n\n", d.bold("Sallyport makes a first configuration."))
	t := tabwriter.NewWriter(d.out, 0, 0, 2, ' ', 0)
	firewalls := "none"
	if len(s.firewalls) > 0 {
		var list []string
		for _, f := range s.firewalls {
			name := f.Name
			if f.Drops {
				name += " (lets in only what it knows: allow the doors there too)"
			}
			list = append(list, name)
		}
		firewalls = strings.Join(list, ", ")
	}
	if len(s.notes) == 0 {
		fmt.Fprintf(t, "  firewalls\t%s\n", firewalls)
	}
	if s.inSession {
		fmt.Fprintf(t, "  you\tfrom %s through tcp/%d; this session is not cut\n", s.session.Client.Addr(), s.session.Server.Port())
	}
	for _, note := range s.notes {
		fmt.Fprintf(t, "  note\t%s\n", note)
	}
	if len(s.services) == 0 {
		fmt.Fprintf(t, "  services\tnothing listens for the network\n")
	}
	t.Flush()
	if len(s.services) > 0 {
		fmt.Fprintln(d.out, "  services")
		s.showServices(d.out)
	}
	fmt.Fprintln(d.out)
}

func (s *setup) showServices(out io.Writer) {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for i, sv := range s.services {
		advice := ""
		if sv.private {
			advice = "should be a door"
		}
		fmt.Fprintf(t, "   %3d\t%s\t%s\t%s\t%s\n", i+1, sv.port, sv.door, sv.process, advice)
	}
	t.Flush()
}

// presetDoors shows the doors that Enter chooses.
func (s *setup) presetDoors() string {
	var words []string
	for _, d := range s.doors {
		word := d.name + "=" + strings.Join(d.words(), ",")
		for i, sv := range s.services {
			if d.isFor(sv.port) {
				word = strconv.Itoa(i + 1)
			}
		}
		words = append(words, word)
	}
	return "[" + strings.Join(words, " ") + "]"
}

// chooseDoors reads an answer such as "1 3 vpn=udp/51820".
func (s *setup) chooseDoors(text string) error {
	words := strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ',' || r == '\t' })
	if len(words) == 0 {
		return nil
	}
	var doors []doorway
	for _, w := range words {
		list, err := s.chosen(w)
		if err != nil {
			return err
		}
		for _, d := range list {
			if slices.ContainsFunc(doors, d.meets) {
				return fmt.Errorf("%s=%s is there twice", d.name, strings.Join(d.words(), ","))
			}
			doors = append(doors, d)
		}
	}
	s.doors = doors
	return nil
}

// chosen returns what one word of an answer means.
func (s *setup) chosen(word string) (list []doorway, err error) {
	if strings.Contains(word, "=") {
		d, err := parseDoorway(word)
		return []doorway{d}, err
	}
	if word == "all" && len(s.services) > 0 {
		for _, sv := range s.services {
			list = append(list, doorway{sv.door, []packet.Port{sv.port}})
		}
		return list, nil
	}
	n, err := strconv.Atoi(word)
	if err != nil || n < 1 || n > len(s.services) {
		return nil, fmt.Errorf("%q is neither a number of the list nor NAME=tcp/PORT", word)
	}
	sv := s.services[n-1]
	return []doorway{{sv.door, []packet.Port{sv.port}}}, nil
}

// chooseTime reads how long grants last.
func (s *setup) chooseTime(text string) error {
	if text == "" {
		return nil
	}
	long, err := time.ParseDuration(text)
	if err != nil || long < time.Second || long > 24*time.Hour {
		return fmt.Errorf("%q is not a time from 1s to 24h", text)
	}
	s.openFor = text
	return nil
}
