// Package client opens doors of a Sallyport server from any program, without
// privileges, on Linux, macOS and Windows.
//
//	profile, err := client.Load("office")
//	result, err := client.Knock(ctx, profile, client.Options{})
//	// the door is open for result.Source until result.Until
//
// A Profile is what a client knows of a server: where it is, its public key,
// and the names of its doors. It is one small text file in the user's
// configuration folder (Load, Save, List, Remove).
//
// Knock proves itself with the SSH key that its user already has, in an
// ssh-agent or in a file, and returns as soon as the server has acknowledged
// that the door is open: one round trip. A server answers nobody whom it does
// not know, so whatever is wrong looks the same: as if nobody were there.
// NoAnswerError says what it may be.
//
// Dialer connects through a door, and takes no longer than a plain connection:
//
//	dialer := client.Dialer{Profile: profile}
//	conn, err := dialer.DialContext(ctx, "tcp", "office:5432")
//
// Everything here is safe for concurrent use.
package client
