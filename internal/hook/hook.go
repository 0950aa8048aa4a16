// Package hook runs the commands that an administrator wants to be run when
// something has happened.
//
// A command is a list of words; no shell takes part, so nothing that an
// attacker sends can become one. It gets the event as one line of JSON on its
// standard input and as variables SALLYPORT_KIND, SALLYPORT_DOOR and so on, in an
// environment that holds nothing else but PATH. It may take its timeout; then it
// is killed with its process group. It has none of the capabilities that
// the daemon was given. Four run at a time, and a thousand
// events wait; what does not fit is dropped and reported. Findings and asks have a worker
// and a queue of their own: strangers can cause many, and grants must not wait for
// them. Nothing ever waits for a hook.
package hook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"

	"sallyport/internal/config"
	"sallyport/internal/event"
	"sallyport/internal/phrase"
)

const (
	workers = 4
	waiting = 1000

	// enough is how much of what a failed command says is told.
	enough = 300

	// maxVariable bounds a variable: the kernel refuses to start a program with
	// one of 128 KiB. The event on standard input is whole.
	maxVariable = 1000
)

// Runner runs hooks. Its methods may be called by several goroutines at once.
type Runner struct {
	failed func(event.Event) // must not block
	hooks  atomic.Pointer[[]config.Hook]
	grants chan task
	finds  chan task
	lost   atomic.Uint64
}

// task is one command to run.
type task struct {
	hook  config.Hook
	event event.Event
}

// New returns a runner without hooks. failed is given an event for each
// command that fails, and must not block.
func New(failed func(event.Event)) *Runner {
	r := &Runner{failed: failed, grants: make(chan task, waiting), finds: make(chan task, waiting)}
	r.Set(nil)
	return r
}

// Set replaces the hooks. Commands that run go on.
func (r *Runner) Set(hooks []config.Hook) { r.hooks.Store(&hooks) }

// Put takes an event and never blocks.
func (r *Runner) Put(e event.Event) {
	queue := r.grants
	if e.Kind == event.KindFinding || e.Kind == event.KindAsked {
		queue = r.finds
	}
	for _, h := range *r.hooks.Load() {
		if !Concerns(h, e) {
			continue
		}
		select {
		case queue <- task{h, e}:
		default:
			r.lost.Add(1)
		}
	}
}

// Concerns reports whether a hook is to be run for an event.
func Concerns(h config.Hook, e event.Event) bool {
	var on config.Occasion
	switch e.Kind {
	case event.KindGrant:
		on = config.OnOpen
	case event.KindExpiry, event.KindRevocation:
		on = config.OnClose
	case event.KindFinding:
		on = config.OnFinding
	case event.KindAsked:
		on = config.OnAsk
	}
	if e.Finding.Exercise() && !h.Exercise {
		return false // its command may act
	}
	return slices.Contains(h.On, on) && (len(h.Doors) == 0 || e.Door == "" || slices.Contains(h.Doors, e.Door))
}

// Run runs commands until the context ends, which kills those under way.
func (r *Runner) Run(ctx context.Context) error {
	var all sync.WaitGroup
	defer all.Wait()
	for range workers {
		all.Go(func() { r.work(ctx, r.grants) })
	}
	all.Go(func() { r.work(ctx, r.finds) })
	every := time.NewTicker(time.Second)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-every.C:
			if n := r.lost.Swap(0); n > 0 {
				r.failed(event.Event{Time: now, Kind: event.KindOverload, Detail: fmt.Sprintf("%d hooks were not run: too many were waiting", n)})
			}
		}
	}
}

func (r *Runner) work(ctx context.Context, queue <-chan task) {
	if err := giveUpRights(); err != nil {
		r.failed(event.Event{Time: time.Now(), Kind: event.KindFailure, Detail: "hooks are not run: give up capabilities: " + err.Error()})
		return
	}
	for {
		select {
		case <-ctx.Done():
			return
		case t := <-queue:
			if err := run(ctx, t); err != nil && ctx.Err() == nil {
				r.failed(event.Event{Time: time.Now(), Kind: event.KindFailure, Door: t.event.Door, Detail: fmt.Sprintf("hook %s: %v", t.hook.Place, err)})
			}
		}
	}
}

// run runs one command to its end.
func run(ctx context.Context, t task) error {
	ctx, cancel := context.WithTimeout(ctx, t.hook.Timeout)
	defer cancel()
	line, err := json.Marshal(t.event)
	if err != nil {
		return fmt.Errorf("write the event: %w", err)
	}
	said := &tail{most: enough}
	cmd := exec.CommandContext(ctx, t.hook.Command[0], t.hook.Command[1:]...)
	cmd.Env = environment(t.event)
	cmd.Dir = "/"
	cmd.Stdin = bytes.NewReader(append(line, '\n'))
	cmd.Stdout, cmd.Stderr = said, said
	cmd.WaitDelay = time.Second // for a grandchild that keeps the output open
	inGroup(cmd)
	err = cmd.Run()
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("killed %q after %s", t.hook.Command[0], phrase.Duration(t.hook.Timeout))
	case errors.Is(err, exec.ErrWaitDelay), brokenPipe(err): // it has ended well, and did not read the event
		return nil
	case err != nil && said.text() != "":
		return fmt.Errorf("%q: %w: %s", t.hook.Command[0], err, said.text())
	case err != nil:
		return fmt.Errorf("%q: %w", t.hook.Command[0], err)
	}
	return nil
}

// environment describes an event in variables.
func environment(e event.Event) []string {
	list := []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"SALLYPORT_TIME=" + e.Time.Format(time.RFC3339Nano),
	}
	source := ""
	if e.Source.IsValid() {
		source = e.Source.String()
	}
	for name, value := range map[string]string{
		"KIND": string(e.Kind), "DOOR": e.Door, "CLIENT": e.Client, "SOURCE": source,
		"REASON": string(e.Reason), "DETAIL": e.Detail,
	} {
		list = append(list, "SALLYPORT_"+name+"="+harmless(value))
	}
	slices.Sort(list)
	return list
}

// harmless leaves out what has no place in a line of text: a variable may end
// up in a terminal, a log or a careless script.
func harmless(text string) string {
	text = strings.ToValidUTF8(text[:min(len(text), maxVariable)], "")
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, text)
}

// tail keeps the end of what is written to it.
type tail struct {
	most int
	end  []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.end = append(t.end, p[max(0, len(p)-t.most):]...)
	t.end = append(t.end[:0], t.end[max(0, len(t.end)-t.most):]...)
	return len(p), nil
}

func (t *tail) text() string {
	return strings.Join(strings.Fields(strings.ToValidUTF8(string(t.end), "")), " ")
}
