// Package lab builds small networks to try Sallyport in: hosts that are
// network namespaces, joined by veth pairs, made over netlink without running
// any program. The demo command, the end-to-end tests and the benchmarks all
// use this one.
//
//	client   192.0.2.2   2001:db8:1::2 ──┐
//	                                     ├── gate ── inside  203.0.113.2  2001:db8:3::2
//	attacker 198.51.100.2 2001:db8:2::2 ─┘
//
// The gate is .1 (and ::1) on each link; the link is called eth0 at the outer
// host and to-client, to-attacker, to-inside at the gate. Every outer host has
// its default route through the gate, so all of them reach all addresses of
// the gate, and each other where the gate forwards.
//
// [Enter] gives a program the right to build labs, as root and without: it
// runs the program again inside namespaces of its own, so that nothing of the
// real host is within reach. Namespaces have no names; they are held by
// descriptors and threads of this process and end with it, however it ends.
//
// A thread belongs to one namespace, and a goroutine moves between threads.
// [Host.Do] therefore runs a function on a thread of its own that no other
// goroutine ever gets. Sockets stay in the namespace in which they were made;
// goroutines started inside Do are not in it.
package lab
