//go:build linux && !client_only

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"sallyport/internal/build"
	"sallyport/internal/consent"
	"sallyport/internal/control"
	"sallyport/internal/drill"
	"sallyport/internal/inert"
	"sallyport/internal/packet"
	"sallyport/internal/phrase"
)

// giveConsent agrees, on the gate, to attacks from addresses that are named.
func (c *drillCommand) giveConsent(ctx context.Context) error {
	var sources []netip.Addr
	for _, text := range c.sources {
		a, err := parseAddress(text)
		if err != nil {
			return usageError{fmt.Errorf("--for %q: %w", text, err)}
		}
		sources = append(sources, a)
	}
	if len(sources) == 0 {
		return usageError{hinted{errors.New("--consent needs --for ADDRESS: the attacker's address as this gate sees it"),
			"it has to be named, or a stranger's findings would pass for a drill, and his bans would be lifted"}}
	}
	conn, err := dial(c.config)
	if err != nil {
		return err
	}
	a, err := conn.Consent(ctx, control.ConsentRequest{Sources: sources, Valid: control.Duration(*c.valid)})
	if err != nil {
		return fmt.Errorf("consent to a drill: %w", err)
	}
	if c.asJSON {
		printJSON(c.std.out, a)
		return nil
	}
	l := c.lang.get()
	fmt.Fprintln(c.std.out, a.Token)
	fmt.Fprintln(c.std.err, l.Sayf("Consent %s is in force for %s. Nothing is suppressed: findings are raised and marked, and bans happen.", a.ID, phrase.Duration(time.Until(a.Until).Round(time.Second))))
	fmt.Fprintln(c.std.err, l.Say("The line above is the token. It is shown this once, and names the ports of the doors and decoys."))
	fmt.Fprintln(c.std.err, l.Say("Now on the attacker's machine: sallyport drill --from THIS-GATE --token TOKEN > record.json"))
	return nil
}

// attackFrom attacks a gate elsewhere from this machine.
func (c *drillCommand) attackFrom(ctx context.Context, ids []string) error {
	token, err := consent.Parse(c.token)
	if err != nil {
		return usageError{hinted{fmt.Errorf("--token: %w", err), "sallyport drill --consent prints it, on the gate that is attacked"}}
	}
	attacks, err := c.chosenFrom(ids)
	if err != nil {
		return err
	}
	if time.Now().After(token.Ends()) {
		return hinted{errors.New("the consent has ended, by the clock of this machine"), "ask for another: sallyport drill --consent, on the gate; or set the clock right"}
	}
	opts := drill.RemoteOptions{Version: build.Version(), Host: c.from, Token: token}
	if s := screenOf(c.std.err); s.color {
		done := 0
		opts.Done = func(id string) { done++; fmt.Fprintf(c.std.err, "\r\x1b[K%d/%d %s", done, len(attacks), id) }
		defer fmt.Fprint(c.std.err, "\r\x1b[K")
	}
	r, err := opts.Attack(ctx, attacks)
	if err != nil {
		return fmt.Errorf("attack %s: %w", c.from, err)
	}
	printJSON(c.std.out, r)
	l := c.lang.get()
	fmt.Fprintln(c.std.err, l.Sayf("%d attacks, %d packets at most. Whether the gate has noticed is for the gate to say:", len(r.Acts), r.Sent))
	fmt.Fprintln(c.std.err, l.Say("Now on the gate, with what was printed here: sallyport drill --result TOKEN record.json"))
	return nil
}

// chosenFrom are the attacks from elsewhere that were asked for.
func (c *drillCommand) chosenFrom(ids []string) ([]drill.Attack, error) {
	var names []string
	for _, a := range drill.FromElsewhere() {
		names = append(names, a.ID)
	}
	for _, id := range ids {
		if !slices.Contains(names, id) {
			return nil, usageError{hinted{fmt.Errorf("there is no attack %q from elsewhere", id), didYouMean(id, names, "there are "+strings.Join(names, ", "))}}
		}
	}
	return slices.DeleteFunc(drill.FromElsewhere(), func(a drill.Attack) bool {
		return len(ids) > 0 && !slices.Contains(ids, a.ID) || c.quick && a.Slow
	}), nil
}

// gradeRecord grades, on the gate, what was done from elsewhere, lifts the bans that
// came of it, and ends the consent.
func (c *drillCommand) gradeRecord(ctx context.Context, files []string) error {
	token, err := consent.Parse(c.result)
	if err != nil {
		return usageError{hinted{fmt.Errorf("--result: %w", err), "sallyport drill --consent has printed it"}}
	}
	file := "-"
	if len(files) > 0 {
		file = files[0]
	}
	text, err := readInput(c.std.in, file)
	if err != nil {
		return err
	}
	record, err := drill.ReadRecord(bytes.NewReader(text), token)
	if err != nil {
		return hinted{fmt.Errorf("read %q: %w", file, err), "nothing is graded or lifted, and the consent goes on"}
	}
	conn, err := dial(c.config)
	if err != nil {
		return err
	}
	seen, err := c.await(ctx, conn, token, record)
	if err != nil {
		return err
	}
	ended, err := conn.Consented(ctx, control.ConsentedRequest{Proof: token.Proof(), End: true})
	if err != nil {
		return fmt.Errorf("end the consent: %w", err)
	}
	for _, p := range ended.Lifted {
		fmt.Fprintln(c.std.err, c.lang.get().Sayf("The ban of %s is lifted.", p))
	}
	return c.print(seen.Grade(record, c.config), drill.Report{})
}

// await asks what the gate has seen until all that must come is there, or can come no
// more.
func (c *drillCommand) await(ctx context.Context, conn *control.Conn, token consent.Token, r drill.Record) (s drill.Seen, err error) {
	for {
		if s, err = c.seen(ctx, conn, token); err != nil {
			return s, err
		}
		offset, err := s.Offset(r)
		if err != nil || s.Grade(r, c.config).Ok() || s.Over(r, offset, s.Consent.Now) {
			return s, nil // without an offset every attack is graded as broken
		}
		select {
		case <-ctx.Done():
			return s, ctx.Err()
		case <-time.After(500 * time.Millisecond):
		}
	}
}

func (c *drillCommand) seen(ctx context.Context, conn *control.Conn, token consent.Token) (s drill.Seen, err error) {
	if s.Consent, err = conn.Consented(ctx, control.ConsentedRequest{Proof: token.Proof()}); err != nil {
		return s, fmt.Errorf("ask what came of the consent: %w", err)
	}
	findings, err := conn.Findings(ctx, control.FindingsRequest{All: true, Limit: 1000})
	if err != nil {
		return s, err
	}
	doors, err := conn.Doors(ctx)
	if err != nil {
		return s, err
	}
	s.Findings, s.Doors = findings.Findings, make(map[packet.Port]string)
	for _, d := range doors.Doors {
		for _, text := range d.Ports {
			if p, err := packet.ParsePort(text); err == nil {
				s.Doors[p] = inert.Text(d.Name)
			}
		}
	}
	return s, nil
}
