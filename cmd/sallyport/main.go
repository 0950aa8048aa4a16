// Command sallyport keeps the doors of a host closed and silent, and opens one
// of them, for one source, for a short time, to whoever proves a secret.
//
// Each subcommand has a file of its own, which only wires: it parses flags,
// calls the packages that do the work, and prints.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"sallyport/internal/build"
)

// stdio is where a command reads and writes.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], stdio{os.Stdin, os.Stdout, os.Stderr})
	stop()
	os.Exit(status)
}

// Exit statuses, the same for every command.
const (
	exitDone   = 0
	exitFailed = 1 // refused or failed
	exitUsage  = 2 // called in a wrong way
)

// run executes one command line and returns its exit status.
func run(ctx context.Context, args []string, std stdio) int {
	root := newRoot(std)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	report(std.err, err)
	if errors.As(err, new(usageError)) {
		return exitUsage
	}
	return exitFailed
}

// report prints an error and, where it has one, its remedy.
func report(w io.Writer, err error) {
	if errors.Is(err, errSilent) {
		return
	}
	fmt.Fprintf(w, "sallyport: %v\n", err)
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) && hinted.Hint() != "" {
		fmt.Fprintf(w, "hint: %s\n", hinted.Hint())
	}
}

// errSilent is returned by a command that failed and has said so already.
var errSilent = errors.New("failed")

// usageError is a command line that makes no sense.
type usageError struct{ error }

func (u usageError) Unwrap() error { return u.error }

// hinted adds a remedy to an error.
type hinted struct {
	error
	hint string
}

func (h hinted) Hint() string  { return h.hint }
func (h hinted) Unwrap() error { return h.error }

func newRoot(std stdio) *cobra.Command {
	root := &cobra.Command{
		Use:   "sallyport",
		Short: "A gate that stays closed and silent, and opens for whoever proves a secret",
		Long: `Services stay closed and silent at the firewall; whoever proves a secret gets one door, for one source
address, for a short time, and the kernel closes it again.

On a server, "init" makes a configuration, "client add" enrols people, and "serve" is the daemon. A
client adds the profile that it was given ("add"), and then knocks ("knock") or connects ("ssh").

The configuration is /etc/sallyport/sallyport.toml, with conf.d/*.toml beside it; the state is in
/var/lib/sallyport. A client keeps its profiles in its configuration folder: ~/.config/sallyport on Linux.

The exit status is 0 if all is done, 1 if something was refused or failed, and 2 if the command line is
wrong.`,
		Version:       build.Version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{hinted{fmt.Errorf("unknown command %q", args[0]), "sallyport --help lists the commands"}}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return cmd.Help() },
	}
	root.SetIn(std.in)
	root.SetOut(std.out)
	root.SetErr(std.err)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{hinted{err, cmd.CommandPath() + " --help lists the flags"}}
	})
	root.AddGroup(&cobra.Group{ID: "server", Title: "On the server:"}, &cobra.Group{ID: "client", Title: "On the client:"}, &cobra.Group{ID: "other", Title: "Other:"})
	root.SetHelpCommandGroupID("other")
	root.SetCompletionCommandGroupID("other")
	addCommands(root, std)
	addDocs(root)
	addCompletions(root)
	return root
}

// args turns cobra's complaints about the number of arguments, and about flags
// that do not go together, into usage errors.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, list []string) error {
		err := check(cmd, list)
		if err == nil {
			err = cmd.ValidateFlagGroups()
		}
		if err != nil {
			return usageError{hinted{err, "usage: " + cmd.UseLine()}}
		}
		return nil
	}
}
