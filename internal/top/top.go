//go:build linux

// Package top shows on a terminal who is in, who is trying, and what is worth a look,
// as it happens, and lets an operator act on it. It asks the daemon by its API, and
// goes on when that is started again.
//
// The model is pure: messages go in, a screen and orders come out. Every word that
// others may have chosen is made inert before it is shown, and cut to the width.
package top

import (
	"context"
	"errors"
	"os"
	"time"

	tea "charm.land/bubbletea/v2"

	"sallyport/internal/control"
	"sallyport/internal/event"
)

// Daemon is what is asked. *control.Conn is one.
type Daemon interface {
	Status(context.Context) (control.Status, error)
	Findings(context.Context, control.FindingsRequest) (control.FindingsAnswer, error)
	Follow(ctx context.Context, after string, each func(control.Notice) error) error
	Open(context.Context, control.OpenRequest) (event.Grant, error)
	Revoke(context.Context, control.RevokeRequest) (control.RevokeAnswer, error)
	Ban(context.Context, control.BanRequest) (event.Ban, error)
	Acknowledge(context.Context, control.AckRequest) (event.Finding, error)
	Asks(context.Context) (control.AsksAnswer, error)
	Approve(context.Context, control.ApproveRequest) (control.ApproveAnswer, error)
	Refuse(context.Context, control.RefuseRequest) (control.RefuseAnswer, error)
}

// Options say where it is shown: on a terminal, of which the size is asked.
type Options struct {
	In    *os.File
	Out   *os.File
	Color bool
}

// What comes from the daemon.
type (
	statusMsg struct {
		status control.Status
		at     time.Time
	}
	findingsMsg control.FindingsAnswer
	noticeMsg   control.Notice
	lostMsg     struct{ err error } // the daemon does not answer
	doneMsg     struct {            // an order was carried out, or not
		text string
		err  error
	}
	tickMsg time.Time
)

// Run shows the daemon until the user ends it, or the context ends.
func Run(ctx context.Context, d Daemon, o Options) error {
	ctx, end := context.WithCancel(ctx)
	defer end()
	m := newModel(o.Color)
	m.act = acting{ctx, d}
	p := tea.NewProgram(m, tea.WithContext(ctx), tea.WithInput(o.In), tea.WithOutput(o.Out), tea.WithoutSignalHandler())
	done := make(chan struct{})
	go func() {
		defer close(done)
		follow(ctx, d, func(msg tea.Msg) { p.Send(msg) })
	}()
	_, err := p.Run()
	end()
	<-done
	if errors.Is(err, tea.ErrProgramKilled) && ctx.Err() != nil {
		return nil // from outside
	}
	return err
}

const (
	leastWait = 250 * time.Millisecond
	mostWait  = 5 * time.Second
)

// follow passes on what happens. When the daemon is gone it tries again, and resumes.
func follow(ctx context.Context, d Daemon, send func(tea.Msg)) {
	after, wait := "", leastWait
	for ctx.Err() == nil {
		err := d.Follow(ctx, after, func(n control.Notice) error {
			after, wait = n.ID, leastWait
			send(noticeMsg(n))
			return nil
		})
		if ctx.Err() != nil {
			return
		}
		send(lostMsg{err})
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		wait = min(2*wait, mostWait)
	}
}

// acting turns orders into messages, off the goroutine that shows.
type acting struct {
	ctx context.Context
	d   Daemon
}

// answerWithin is how long the daemon may take for an answer.
const answerWithin = 10 * time.Second

func (a acting) do(f func(context.Context) tea.Msg) tea.Cmd {
	return func() tea.Msg {
		ctx, end := context.WithTimeout(a.ctx, answerWithin)
		defer end()
		return f(ctx)
	}
}

func (a acting) status() tea.Cmd {
	return a.do(func(ctx context.Context) tea.Msg {
		s, err := a.d.Status(ctx)
		if err != nil {
			return lostMsg{err}
		}
		return statusMsg{s, time.Now()}
	})
}

func (a acting) findings() tea.Cmd {
	return a.do(func(ctx context.Context) tea.Msg {
		f, err := a.d.Findings(ctx, control.FindingsRequest{})
		if err != nil {
			return doneMsg{err: err}
		}
		return findingsMsg(f)
	})
}

// order has something done, and says what came of it.
func (a acting) order(said string, f func(context.Context) error) tea.Cmd {
	return a.do(func(ctx context.Context) tea.Msg { return doneMsg{said, f(ctx)} })
}

func tick() tea.Cmd { return tea.Tick(time.Second, func(t time.Time) tea.Msg { return tickMsg(t) }) }
