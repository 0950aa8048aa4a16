//go:build linux

package drill

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/event"
	"sallyport/internal/phrase"
)

// Options say what is attacked, and how.
type Options struct {
	Config     *config.Config
	Executable string       // the sallyport program
	Env        []string     // more environment for it
	Log        io.Writer    // the daemons' logs; nil: nowhere
	AtOnce     int          // attacks side by side; 0: four
	Done       func(Result) // called after each attack, by one goroutine at a time; may be nil

	// For tests, which must see a drill fail: a gate that is wrong from the
	// beginning, and one that is made wrong while it is in force.
	alter    func(*plan)
	sabotage func(*ground) error
}

// Verdict is the grade of one attack.
type Verdict string

// The verdicts.
const (
	Held    Verdict = "held"
	Failed  Verdict = "failed"
	Skipped Verdict = "skipped" // the configuration lacks what it attacks
	Broken  Verdict = "broken"  // it could not be carried out: nothing was learnt
)

// Result is what came of one attack.
type Result struct {
	ID        string   `json:"id"`
	Group     string   `json:"group"`
	Does      string   `json:"does"`
	Not       string   `json:"not"`
	Technique string   `json:"technique,omitempty"`
	Expected  string   `json:"expected,omitempty"` // finding
	Within    float64  `json:"within,omitempty"`   // seconds
	Seen      []string `json:"seen"`               // rules of all findings
	Seconds   float64  `json:"seconds,omitempty"`  // from the end of the attack to the expected finding
	Opened    []string `json:"opened"`             // doors, for those who must stay outside
	Verdict   Verdict  `json:"verdict"`
	Why       string   `json:"why,omitempty"`
	Simulated bool     `json:"simulated,omitempty"`
	Scaled    bool     `json:"scaled,omitempty"`
	IPv6      bool     `json:"ipv6,omitempty"`
}

// Ok reports whether a result is as expected.
func (r Result) Ok() bool { return r.Verdict == Held || r.Verdict == Skipped }

// ErrStopped says that not every attack was carried out, because the drill was to end.
var ErrStopped = errors.New("stopped")

// Run carries attacks out, and returns their results in the order of the
// attacks. Call lab.Enter before. The error is ErrStopped if ctx has ended: what one
// attack meets is in its result.
func Run(ctx context.Context, attacks []Attack, opts Options) ([]Result, error) {
	results := make([]Result, len(attacks))
	if opts.AtOnce <= 0 {
		opts.AtOnce = 4
	}
	slots := make(chan struct{}, opts.AtOnce)
	var (
		wg sync.WaitGroup
		mu sync.Mutex
	)
	for i := range attacks {
		slots <- struct{}{}
		if ctx.Err() != nil { // what has not begun has no verdict
			results[i] = attacks[i].blank()
			<-slots
			continue
		}
		wg.Go(func() {
			defer func() { <-slots }()
			results[i] = attacks[i].carryOut(ctx, opts)
			mu.Lock()
			defer mu.Unlock()
			if opts.Done != nil && ctx.Err() == nil {
				opts.Done(results[i])
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return results, ErrStopped
	}
	return results, nil
}

// blank is the result of an attack that has not begun.
func (a *Attack) blank() Result {
	return Result{ID: a.ID, Group: a.Group, Does: a.Does, Not: a.Not, Technique: a.Technique, Expected: a.Rule, Within: a.Within.Seconds(),
		Seen: []string{}, Opened: []string{}, Simulated: a.Simulated, Scaled: a.Scaled, IPv6: a.IPv6}
}

func (a *Attack) carryOut(ctx context.Context, opts Options) Result {
	r := a.blank()
	p, err := take(opts.Config, a.IPv6, time.Now())
	if err != nil {
		return r.broken(err)
	}
	if a.needs != nil {
		if why := a.needs(p); why != "" {
			r.Verdict, r.Why = Skipped, why
			return r
		}
	}
	if a.alter != nil {
		a.alter(p)
	}
	if opts.alter != nil {
		opts.alter(p)
	}
	if a.Simulated {
		return a.judge(r, p)
	}
	g, err := prepare(p, opts)
	if err == nil && opts.sabotage != nil {
		err = opts.sabotage(g)
	}
	if err == nil {
		r, err = a.attack(ctx, g, r)
	}
	err = errors.Join(err, g.close())
	switch {
	case ctx.Err() != nil:
		return a.blank() // nothing was learnt, and that is nobody's fault
	case err != nil:
		return r.broken(err)
	}
	return r
}

// attack does it, and grades what follows.
func (a *Attack) attack(ctx context.Context, g *ground, r Result) (Result, error) {
	err := a.run(ctx, g)
	if wrong := (shut{}); errors.As(err, &wrong) {
		return r.failed("%v", err), nil
	}
	if err != nil {
		return r, err
	}
	found, err := a.await(ctx, g, &r)
	if err != nil {
		return r, err
	}
	switch {
	case len(r.Opened) > 0:
		return r.failed("a door is open for those who must stay outside: %q", r.Opened), nil
	case !found && !g.Detect.Enabled:
		return r.failed("the finding %s cannot come: [detect] is off", a.Rule), nil
	case !found:
		return r.failed("the finding %s has not come within %s", a.Rule, phrase.Duration(a.Within)), nil
	}
	r.Verdict = Held
	return r, nil
}

// look notes what is open for those who must stay outside.
func (r *Result) look(g *ground) error {
	for _, a := range g.outsiders {
		open, err := g.opened(a)
		if err != nil {
			return err
		}
		for _, name := range open {
			if !slices.Contains(r.Opened, name) {
				r.Opened = append(r.Opened, name)
			}
		}
	}
	return nil
}

// await waits for the finding that must come, and notes all, and what is open
// meanwhile. Doors are tried for a while in any case: the daemon may not have
// judged the last packets yet.
func (a *Attack) await(ctx context.Context, g *ground, r *Result) (found bool, err error) {
	found = a.Rule == ""
	for ended := time.Now(); ; {
		list, unread := g.findings(ctx)
		if unread == nil { // it may just be made, or left by a daemon that was killed
			r.Seen = rules(list)
		}
		since := time.Since(ended)
		if !found && slices.Contains(r.Seen, a.Rule) {
			found, r.Seconds = true, since.Round(10*time.Millisecond).Seconds()
		}
		if err := r.look(g); err != nil {
			return false, err
		}
		if since > settling && (found || !g.Detect.Enabled || since > a.Within) {
			if found {
				unread = nil
			}
			return found, unread
		}
		if err := wait(ctx, 100*time.Millisecond); err != nil {
			return false, err
		}
	}
}

func rules(list []event.Finding) []string {
	names := []string{}
	for _, f := range list {
		if !slices.Contains(names, f.Rule) {
			names = append(names, f.Rule)
		}
	}
	return names
}

func (r Result) broken(err error) Result {
	r.Verdict, r.Why = Broken, err.Error()
	return r
}

func (r Result) failed(format string, args ...any) Result {
	r.Verdict, r.Why = Failed, fmt.Sprintf(format, args...)
	return r
}
