package lab

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"syscall"
)

// Cmd is a program to run on a host. It is an [exec.Cmd], of which only Start,
// Run, Output and CombinedOutput differ: they start it in the host's namespace.
// It is killed with the lab, and with this process, however that ends; only
// processes that it forks into the background outlive it.
type Cmd struct {
	*exec.Cmd
	host *Host
}

// Command prepares a program. It is killed when ctx ends.
func (h *Host) Command(ctx context.Context, name string, args ...string) *Cmd {
	return &Cmd{exec.CommandContext(ctx, name, args...), h}
}

// Start starts the program and does not wait for it. Call Wait.
func (c *Cmd) Start() error { return c.host.Start(c.Cmd) }

// Start starts a program in the host's namespace and does not wait for it.
func (h *Host) Start(cmd *exec.Cmd) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	result := make(chan error)
	h.jobs <- func() { result <- cmd.Start() }
	return <-result
}

// Run starts the program and waits until it ends.
func (c *Cmd) Run() error {
	if err := c.Start(); err != nil {
		return err
	}
	return c.Wait()
}

// Output runs the program and returns what it wrote to standard output. As
// with [exec.Cmd.Output], an ExitError carries what it wrote to standard error.
func (c *Cmd) Output() ([]byte, error) {
	var stdout, stderr bytes.Buffer
	c.Stdout = &stdout
	if c.Stderr == nil {
		c.Stderr = &stderr
	}
	err := c.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		exit.Stderr = stderr.Bytes()
	}
	return stdout.Bytes(), err
}

// CombinedOutput runs the program and returns all that it wrote.
func (c *Cmd) CombinedOutput() ([]byte, error) {
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	err := c.Run()
	return out.Bytes(), err
}
