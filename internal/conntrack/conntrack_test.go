//go:build linux

package conntrack

import (
	"bufio"
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/ti-mo/conntrack"

	"sallyport/internal/lab"
	"sallyport/internal/lab/labtest"
	"sallyport/internal/packet"
)

func TestMain(m *testing.M) { labtest.Main(m) }

// track makes the kernel of a namespace follow connections, by a table that
// asks for their state.
func track() error {
	c, err := nftables.New()
	if err != nil {
		return err
	}
	table := c.AddTable(&nftables.Table{Family: nftables.TableFamilyINet, Name: "track"})
	chain := c.AddChain(&nftables.Chain{Name: "c", Table: table, Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookPrerouting, Priority: nftables.ChainPriorityFilter})
	c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: []expr.Any{&expr.Ct{Key: expr.CtKeySTATE, Register: 1}}})
	return c.Flush()
}

func connect(t *testing.T, h *lab.Host, to netip.Addr) (net.Conn, *bufio.Reader) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	conn, err := h.Dial(ctx, "tcp", netip.AddrPortFrom(to, 22).String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	r := bufio.NewReader(conn)
	if _, err := r.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	return conn, r
}

// lives reports whether a connection still carries data both ways.
func lives(conn net.Conn, r *bufio.Reader) bool {
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := conn.Write([]byte("still there?\n")); err != nil {
		return false
	}
	_, err := r.ReadString('\n')
	return err == nil
}

func TestCutEndsWhatMatchesAndNothingElse(t *testing.T) {
	l := labtest.New(t, lab.Options{})
	if err := l.Gate.Do(track); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Gate.Greet(netip.MustParseAddrPort("[::]:22")); err != nil {
		t.Fatal(err)
	}
	c4, r4 := connect(t, l.Client, l.Client.Gate4)
	c6, r6 := connect(t, l.Client, l.Client.Gate6)
	other, otherR := connect(t, l.Attacker, l.Attacker.Gate4)
	if !lives(c4, r4) || !lives(c6, r6) || !lives(other, otherR) {
		t.Fatal("connections do not work before anything is cut")
	}
	var done []Flow
	err := l.Gate.Do(func() (err error) {
		done, err = Cut(func(f Flow) bool {
			return (f.Source == l.Client.IP4 || f.Source == l.Client.IP6) && f.Port == packet.Port{Proto: packet.TCP, Number: 22}
		})
		return err
	})
	if err != nil || len(done) != 2 {
		t.Fatalf("cut %v, error %v; want 2 connections", done, err)
	}
	if lives(c4, r4) || lives(c6, r6) {
		t.Error("a connection that was cut lives")
	}
	if !lives(other, otherR) {
		t.Error("a connection that did not match was cut")
	}
}

func TestCutNothing(t *testing.T) {
	l := labtest.New(t, lab.Options{})
	err := l.Gate.Do(func() error {
		done, err := Cut(func(Flow) bool { return true })
		if len(done) != 0 {
			t.Errorf("cut %v on a host that has no connection", done)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A host has many flows that are over already, or never came about. Their
// sockets are gone, and the kernel would find the listener in their place.
func TestCutWhatIsOver(t *testing.T) {
	l := labtest.New(t, lab.Options{})
	if err := l.Gate.Do(track); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Gate.Greet(netip.MustParseAddrPort("[::]:22")); err != nil {
		t.Fatal(err)
	}
	for _, to := range []netip.Addr{l.Client.Gate4, l.Client.Gate6} {
		for range 3 {
			c, _ := connect(t, l.Client, to)
			c.Close()
		}
		if _, err := l.Client.Probe("tcp", netip.AddrPortFrom(to, 23), time.Second); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Client.Probe("udp", netip.AddrPortFrom(to, 24), time.Second); err != nil {
			t.Fatal(err)
		}
	}
	err := l.Gate.Do(func() error {
		done, err := Cut(func(Flow) bool { return true })
		if len(done) < 6 {
			t.Errorf("cut %v, want the flows of six connections that are over", done)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, to := range []netip.Addr{l.Client.Gate4, l.Client.Gate6} {
		if c, r := connect(t, l.Client, to); !lives(c, r) {
			t.Errorf("the service at %s does not answer any more", to)
		}
	}
}

// Between the look and the request another flow may have come to the same
// addresses and ports, and another socket to the same place.
func TestOnlyWhatWasLookedUpIsEnded(t *testing.T) {
	l := labtest.New(t, lab.Options{})
	if err := l.Gate.Do(track); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Gate.Greet(netip.MustParseAddrPort("[::]:22")); err != nil {
		t.Fatal(err)
	}
	c4, r4 := connect(t, l.Client, l.Client.Gate4)
	c6, r6 := connect(t, l.Client, l.Client.Gate6)
	err := l.Gate.Do(func() error {
		table, err := conntrack.Dial(nil)
		if err != nil {
			return err
		}
		defer table.Close()
		flows, err := table.Dump(nil)
		if err != nil {
			return err
		}
		c, err := newCutter()
		if err != nil {
			return err
		}
		defer c.close()
		if len(flows) != 2 || len(c.sockets) < 2 {
			t.Fatalf("%d flows and %d sockets, want two", len(flows), len(c.sockets))
		}
		for _, f := range flows {
			f.ID++
			if err := forget(c.flows, f); err != nil {
				return err
			}
		}
		for _, list := range c.sockets {
			for _, s := range list {
				s.id[47]++ // the cookie
				if err := destroy(c.diag, s); err != nil {
					return err
				}
			}
		}
		if left, err := table.Dump(nil); err != nil || len(left) != 2 {
			t.Errorf("%d flows are left, error %v; want both", len(left), err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !lives(c4, r4) || !lives(c6, r6) {
		t.Error("a connection was cut that had not been named")
	}
}
