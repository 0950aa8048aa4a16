// Package spa writes and reads the one-packet message: a UDP datagram that
// proves, to a server that stays silent to everybody else, who asks for which
// door. docs/PROTOCOL.md specifies every byte of it.
//
// A client calls Seal, sends the datagram, and opens the acknowledgement with
// what Seal returned. A server calls, cheapest first,
//
//	tagged, reason := opener.Check(now, payload)  // length and tag: tens of nanoseconds
//	message, reason := tagged.Open()              // HPKE and header: about 50 to 100 µs
//
// and then, with the message, does what only it can: look up client and door,
// compare the time (Header.Fresh), ask the replay guard about client and Nonce,
// and verify Proof over Signed. Message.SealAck makes the acknowledgement,
// which is for clients that have passed all of that.
//
// Anyone who has the server's public key can get past Check, so a budget belongs
// between it and Open.
package spa
