// Package unit holds the files that make systemd run the daemon: packages
// install them, and "sallyport init" does where no package has.
package unit

import _ "embed"

// Service is sallyport.service, which finds the program in /usr/local/bin or
// /usr/bin.
//
//go:embed sallyport.service
var Service []byte

// Console is sallyport-console.service.
//
//go:embed sallyport-console.service
var Console []byte

// Asks is sallyport-asks.service.
//
//go:embed sallyport-asks.service
var Asks []byte

// Sysusers makes the users of the daemon, of the console and of the page for those who ask, see sysusers.d(5).
//
//go:embed sysusers.conf
var Sysusers []byte

// Tmpfiles makes their folders, see tmpfiles.d(5).
//
//go:embed tmpfiles.conf
var Tmpfiles []byte
