//go:build linux

// Package firewall keeps the doors closed: it owns the nftables table
// "inet sallyport" and touches nothing else. It speaks netlink; it never runs
// a program.
//
// The table has one base chain that judges, at prerouting with priority mangle: after
// connection tracking and before DNAT, so that local, forwarded and published
// container ports are all judged by the port that the outside world sees. It
// only ever drops (or rejects) what has no grant; whatever it accepts is still
// subject to every other table of the host.
//
//	prerouting  everything that is none of our business, then sessions under way, leave here
//	own         what is addressed to this host: which ports are closed
//	elsewhere   what is addressed to hosts behind it: what doors in front of them close
//	door        a closed door: let in anyone who has a grant, a single grant once;
//	            handshakes that a single grant has let begin end here, too
//	spent       let in the connection that used up a single grant
//	spent-NAME  end what that grant has for the other ports of the door
//	closed      let in sessions older than connection tracking; count, then drop or reject
//	label       resets of nftables get the flow label that the kernel's own have (at output;
//	            where closed ports answer)
//
// Grants are elements of sets with a timeout, one element for each port of the
// door: the kernel ends them, whether or not this process still lives. Door and
// client stand in the element's comment, so that a restarted daemon can read
// them back. Grants that last are in granted4 and granted6, those for a single
// connection in single-tcp4 and its like: a source may have one of each, and what
// lasts lets it in first, so that the other is kept. Sets, not rules, grow with doors and
// grants, so a packet costs the same for one door and ten thousand.
//
// A single grant is used up by the TCP connection whose handshake is the first
// to be completed: a SYN that someone has forged never completes one. Those that
// have begun are in halfopen4 and halfopen6, and are judged once more when they
// go on. Of UDP the first flow uses it up.
//
// Every change is one netlink batch, which the kernel carries out as a whole or
// not at all. From Linux 6.9 on the table belongs to this process (flag owner),
// so that nobody else can change it, and survives it (flag persist); on older
// kernels Watch reports when someone else changed it, and Apply puts it back.
// Never owner alone: such a table vanishes with the process, which opens all.
//
// Known limits. Packets that the host exempts from connection tracking (notrack)
// are judged one by one, so a session that it exempts ends with its grant, and a
// single grant lets none in.
// Sessions through a forwarded door that are older than connection tracking are
// not recognised. Before Linux 6.16 the address of an interface in a VRF is not seen
// as one of this host in what comes by another interface of that VRF. Two handshakes from one source whose ends are judged
// on two processors within the same microsecond can both use a single grant. A
// handshake that a single grant has let begin must end before the grant does.
package firewall

import "sallyport/internal/packet"

// Options say how the table is kept. The zero value is right for a daemon.
type Options struct {
	Unowned bool // leave the table open to changes by others, as kernels before 6.9 do
}

// Counters say how many packets were refused since the table was installed.
type Counters struct {
	Total uint64                 // all of them
	Doors map[packet.Port]uint64 // by the port of the door; with policy "all" other ports count in Total only
}
