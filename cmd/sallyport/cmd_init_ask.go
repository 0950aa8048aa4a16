//go:build linux && !client_only

package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"sallyport/internal/columns"
	"sallyport/internal/packet"
	"sallyport/internal/phrase"
	"sallyport/internal/setup"
)

// proposal is a setup that a person is asked about.
type proposal struct{ *setup.Setup }

// ask shows what was found on this host and lets a person choose. It starts
// from what s says already.
func ask(ctx context.Context, std stdio, to *setup.Setup) error {
	s := proposal{to}
	d := newDialog(ctx, std)
	s.show(d)
	if err := d.ask("Which become doors? Numbers, all, or NAME=tcp/PORT", s.presetDoors(), s.chooseDoors); err != nil {
		return err
	}
	if err := d.ask("How long is a door open to who knocked?", "["+s.OpenFor+"]", s.chooseTime); err != nil {
		return err
	}
	var err error
	if s.Sequences, err = d.yes("A secret sequence of knocks too, for those without an SSH key? It can be overheard", s.Sequences); err != nil {
		return err
	}
	if s.Console, err = d.yes("A console, too: a page for browsers, on this host only until you say otherwise?", s.Console); err != nil {
		return err
	}
	var names []string
	for _, door := range s.Doors {
		names = append(names, door.Name)
	}
	good, err := d.yes(fmt.Sprintf("Write %s with %s (%s)?", s.Config(), phrase.Count(len(names), "door"), strings.Join(names, ", ")), true)
	if err == nil && !good {
		err = hinted{errLeft, nothingWritten}
	}
	return err
}

// show prints what was found.
func (s proposal) show(d dialog) {
	fmt.Fprintf(d.out, "%s Nothing is closed by it, and nothing is written before you say so.\n\n", d.out.paint(bold, "Sallyport makes a first configuration."))
	var rows [][]string
	line := func(what, format string, args ...any) {
		rows = append(rows, []string{"  " + what, fmt.Sprintf(format, args...)})
	}
	firewalls := "none"
	if len(s.Firewalls) > 0 {
		var list []string
		for _, f := range s.Firewalls {
			name := f.Name
			if f.Drops {
				name += " (lets in only what it knows: allow the doors there too)"
			}
			list = append(list, name)
		}
		firewalls = strings.Join(list, ", ")
	}
	if len(s.Notes) == 0 {
		line("firewalls", "%s", firewalls)
	}
	if s.InSession {
		line("you", "from %s through tcp/%d; this session is not cut", s.Session.Client.Addr(), s.Session.Server.Port())
	}
	for _, b := range s.Bridges {
		line("containers", "behind %s (%s); they must knock, too, unless that is in trusted", b.Name, b.Networks[0])
	}
	for _, note := range s.Notes {
		line("note", "%s", note)
	}
	if len(s.Services) == 0 {
		line("services", "nothing listens for the network")
	}
	columns.Write(d.out, rows)
	if len(s.Services) > 0 {
		fmt.Fprintln(d.out, "  services")
		s.showServices(d.out)
	}
	fmt.Fprintln(d.out)
}

func (s proposal) showServices(out io.Writer) {
	table(out, func(row func(...any)) {
		for i, sv := range s.Services {
			advice := ""
			if sv.Private {
				advice = "should be a door"
			}
			row(fmt.Sprintf("   %3d", i+1), sv.Port, sv.Door, sv.Process, advice)
		}
	})
}

// presetDoors shows the doors that Enter chooses.
func (s proposal) presetDoors() string {
	var words []string
	for _, d := range s.Doors {
		word := d.Name + "=" + strings.Join(d.Words(), ",")
		for i, sv := range s.Services {
			if d.IsFor(sv.Port) {
				word = strconv.Itoa(i + 1)
			}
		}
		words = append(words, word)
	}
	return "[" + strings.Join(words, " ") + "]"
}

// chooseDoors reads an answer such as "1 3 vpn=udp/51820".
func (s proposal) chooseDoors(text string) error {
	words := strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ',' || r == '\t' })
	if len(words) == 0 {
		return nil
	}
	var doors []setup.Door
	for _, w := range words {
		list, err := s.chosen(w)
		if err != nil {
			return err
		}
		for _, d := range list {
			if slices.ContainsFunc(doors, d.Meets) {
				return fmt.Errorf("%s=%s is there twice", d.Name, strings.Join(d.Words(), ","))
			}
			doors = append(doors, d)
		}
	}
	s.Doors = doors
	return nil
}

// chosen returns what one word of an answer means.
func (s proposal) chosen(word string) (list []setup.Door, err error) {
	if strings.Contains(word, "=") {
		d, err := setup.ParseDoor(word)
		return []setup.Door{d}, err
	}
	if word == "all" && len(s.Services) > 0 {
		for _, sv := range s.Services {
			list = append(list, setup.Door{Name: sv.Door, Ports: []packet.Port{sv.Port}})
		}
		return list, nil
	}
	n, err := strconv.Atoi(word)
	if err != nil || n < 1 || n > len(s.Services) {
		return nil, fmt.Errorf("%q is neither a number of the list nor NAME=tcp/PORT", word)
	}
	sv := s.Services[n-1]
	return []setup.Door{{Name: sv.Door, Ports: []packet.Port{sv.Port}}}, nil
}

// chooseTime reads how long grants last.
func (s proposal) chooseTime(text string) error {
	if text == "" {
		return nil
	}
	long, err := phrase.ParseDuration(text)
	if err != nil || long < time.Second || long > 24*time.Hour {
		return fmt.Errorf("%q is not a time from 1s to 24h", text)
	}
	s.OpenFor = text
	return nil
}
