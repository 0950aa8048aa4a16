package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"sallyport/client"
)

func newRun(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "run PROFILE -- COMMAND [ARGUMENT ...]",
		Short:   "Keep a door open while a program runs",
		GroupID: "client",
		Long: `Knocks, runs the program, and gives the grant back when the program has ended. The grant is renewed
meanwhile; with --single it is not, and lets in one connection. {host} in the arguments stands for the
host of the profile. A profile with rotating sequences only knocks once.

The exit status is that of the program. If the door does not open, the program is not run.`,
		Example: `  sallyport run office -- rsync -a photos/ {host}:photos/
  sallyport run office --door web -- curl https://{host}:8443/
  sallyport run office --single -- psql -h {host}`,
		Args: args(cobra.MinimumNArgs(2)),
	}
	cmd.Flags().SetInterspersed(false)
	flags := addAskFlags(cmd, std)
	doors := cmd.Flags().StringArray("door", nil, "the `DOOR` to open (may be repeated; default: the profile's first one)")
	single := cmd.Flags().Bool("single", false, "let in one connection only")
	cmd.RunE = func(cmd *cobra.Command, list []string) error {
		profile, err := loadProfile(list[0])
		if err != nil {
			return err
		}
		words := list[1:]
		if words[0] == "--" { // what follows a flag after the profile is not cut by pflag
			words = words[1:]
		}
		program, err := programOf(words, profile.Host)
		if err != nil {
			return err
		}
		opts := flags.options()
		opts.Doors, opts.Single = *doors, *single
		r := errand{std: stdio{std.in, std.err, std.err}, profile: profile, opts: opts}
		if err := r.knock(cmd.Context()); err != nil {
			return err
		}
		program.Stdin, program.Stdout, program.Stderr = std.in, direct(std.out), std.err
		return r.during(cmd.Context(), program)
	}
	return cmd
}

// programOf makes the command with {host} filled in. It has to be there before
// anything is knocked at.
func programOf(words []string, host string) (*exec.Cmd, error) {
	if len(words) == 0 {
		return nil, usageError{hinted{errors.New("the command is missing"), "such as: sallyport run office -- rsync -a photos/ {host}:photos/"}}
	}
	filled := make([]string, len(words))
	for i, w := range words {
		filled[i] = strings.ReplaceAll(w, "{host}", host)
	}
	path, err := exec.LookPath(filled[0])
	if err != nil {
		return nil, hinted{fmt.Errorf("find the program %q: %w", filled[0], programProblem(err)), "nothing was knocked at; look at what follows --"}
	}
	return exec.Command(path, filled[1:]...), nil
}

// errand is a door that is open for a program. What it says goes to standard
// error: the other output is the program's.
type errand struct {
	std     stdio
	profile *client.Profile
	opts    client.Options
	result  client.Result
}

// knock opens the door, by a message or by a rotating sequence.
func (r *errand) knock(ctx context.Context) (err error) {
	if r.rotating() {
		if r.opts.Single {
			return usageError{errors.New("--single has no meaning with a rotating sequence")}
		}
		_, err = sendWhenUnused(ctx, r.std.err, r.profile, r.opts)
		return err
	}
	r.result, err = client.Knock(ctx, r.profile, r.opts)
	return err
}

func (r *errand) rotating() bool { return r.profile.ServerKey == "" }

// during runs the program and keeps the door open meanwhile. An interrupt is for
// the program, which the terminal sends it to as well: what it does then is its
// own affair (psql, for one, ends the query and goes on).
func (r *errand) during(ctx context.Context, program *exec.Cmd) error {
	ctx, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	if err := program.Start(); err != nil {
		return errors.Join(fmt.Errorf("run %s: %w", program.Path, err), r.close())
	}
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM)
	defer signal.Stop(terminated)
	kept := make(chan error, 1)
	go func() { kept <- r.keep(ctx) }()
	ended := make(chan error, 1)
	go func() { ended <- program.Wait() }()
	var err error
	for waiting := true; waiting; {
		select {
		case err = <-ended:
			waiting = false
		case s := <-terminated:
			if program.Process.Signal(s) != nil { // Windows has no such signals
				_ = program.Process.Kill() // it may have ended
			}
		}
	}
	end()
	if err := <-kept; err != nil { // the grant ends by itself in any case
		printError(r.std.err, err)
	}
	return statusOf(err)
}

// keep keeps the door open until ctx ends, and then gives it back.
func (r *errand) keep(ctx context.Context) error {
	if r.rotating() {
		return nil // nothing is answered, and nothing can be given back
	}
	if r.opts.Single {
		<-ctx.Done()
		return r.close()
	}
	w := watch{std: r.std, profile: r.profile, opts: r.opts, local: localAddress, look: 2 * time.Second}
	return w.keep(ctx, r.result)
}

// close gives the grant back.
func (r *errand) close() error {
	if r.rotating() {
		return nil
	}
	return (&watch{std: r.std, profile: r.profile, opts: r.opts}).giveBack()
}

// statusOf makes the exit status of a program that of this one.
func statusOf(err error) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	if code := exit.ExitCode(); code > 0 {
		return statusError(code)
	}
	return exit // ended by a signal
}
