// Command sallyport keeps the doors of a host closed and silent, and opens one
// of them, for one source, for a short time, to anyone who proves a secret.
//
// A command has a file of its own, cmd_<words of the command line>.go, which
// only wires: it parses flags, calls the packages that do the work, and prints.
// What commands share is in ui_*.go (what is printed and asked), flags*.go,
// load*.go (what is read), dial.go (the daemon) and files.go (what is written).
// Tests from end to end are in e2e_*_test.go.
//
// What needs a server begins with "//go:build linux && !client_only": elsewhere,
// and with that tag, the program is the client alone (root_client.go).
//
// The rules of the terminal, for every command:
//
//   - Results go to standard output, everything else to standard error. --json
//     prints the result for programs, and nothing beside it.
//   - An error is one sentence, "sallyport: …", with its remedy below, "hint: …",
//     where there is one. The exit status says which kind of failure it was.
//   - Text that others may have chosen is printed inert: no control character of
//     theirs reaches a terminal, as text or in JSON.
//   - Colours and questions are for terminals only. A command that is not on one
//     asks nothing, and needs no more than its flags.
//   - An interruption ends a command before it has begun what cannot stay half done, or
//     after it, with the exit status 130. The terminal is as it was before.
//   - A secret is printed only by the command that makes it or is asked for it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// stdio is where a command reads and writes.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

func main() {
	ctx, stop := untilSignal(context.Background())
	status := run(ctx, os.Args[1:], stdio{os.Stdin, os.Stdout, os.Stderr})
	stop()
	os.Exit(status)
}

// Exit statuses, the same for every command.
const (
	exitDone   = 0
	exitFailed = 1 // refused or failed
	exitUsage  = 2 // called in a wrong way; after an interruption see statusOfFailure
)

// run executes one command line and returns its exit status.
func run(ctx context.Context, args []string, std stdio) int {
	out := &results{Writer: std.out}
	std.out = out
	root := newRoot(std)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if lost := out.lost.Load(); err == nil && lost != nil {
		err = hinted{fmt.Errorf("print the result: %w", *lost), "the command has done its work, but a part of what it says is missing"}
	}
	if err == nil {
		return exitDone
	}
	if ended := statusError(0); errors.As(err, &ended) {
		return int(ended)
	}
	printError(std.err, err)
	if errors.As(err, new(usageError)) {
		return exitUsage
	}
	return statusOfFailure(ctx)
}
