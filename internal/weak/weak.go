//go:build !weakened

// Package weak names checks that can be left out, so that it can be tested whether a
// drill notices. In every program that is built without the tag "weakened", and that is
// every one but those of such tests, these are constants, and the compiler removes
// what depends on them.
package weak

// What is left out.
const (
	Replay  = false // whether a message has been seen before
	Bound   = false // whether a message that names an address comes from there
	Proof   = false // whether a message is signed with the key of its client
	Steps   = false // whether a rotating or one-time sequence has been used
	Timeout = false // that the kernel ends grants
)
