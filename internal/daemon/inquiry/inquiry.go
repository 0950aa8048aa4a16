//go:build linux

// Package inquiry answers questions about a running daemon: out of the configuration in
// force, the grants, the journal and the host. It changes nothing. What takes long is
// done for one asker at a time, and every answer is bounded.
package inquiry

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/control"
	"sallyport/internal/detect"
	"sallyport/internal/event"
	"sallyport/internal/firewall"
	"sallyport/internal/journal"
	"sallyport/internal/key"
	"sallyport/internal/lang"
	"sallyport/internal/lint"
	"sallyport/internal/lint/facts"
	"sallyport/internal/report"
)

// Around is what an inquiry looks at.
type Around struct {
	Version  string
	Host     string
	InForce  func() *config.Config
	Grants   func(context.Context, time.Time) (list []event.Grant, all bool, err error)
	Counters func() (firewall.Counters, error)
	Keys     func() key.Keyring
	OfHost   func(*config.Config) (*lint.Facts, []string) // nil: facts.OfHost
}

// Inquiry answers. Its methods may be called by several goroutines at once.
type Inquiry struct {
	around Around
	slow   chan struct{} // held by who reads much of the journal
	guests chan struct{} // held beside it by who is no administrator: these always find room

	mu     sync.Mutex // held while the host is looked at
	linted control.LintAnswer
	of     *config.Config // what was linted
}

// New returns an inquiry.
func New(a Around) *Inquiry {
	if a.OfHost == nil {
		a.OfHost = facts.OfHost
	}
	return &Inquiry{around: a, slow: make(chan struct{}, mostReaders), guests: make(chan struct{}, mostReaders-1)}
}

const (
	mostEntries  = 1000
	mostFindings = 1000
	mostClients  = 500
	usual        = 100

	// mostReaders is how many read the journal at a time. One of them is an administrator.
	mostReaders = 2

	// patience is how long the journal may be read for one answer.
	patience = 20 * time.Second

	// lintFor is how long an answer about the host is good for: to look at it takes
	// seconds where there are many rules.
	lintFor = time.Minute
)

// limited checks how much is asked for.
func limited(limit, most int) (int, error) {
	switch {
	case limit == 0:
		return usual, nil
	case limit < 1 || limit > most:
		return 0, control.Wrong(fmt.Sprintf("want 1 to %d", most), "limit %d", limit)
	}
	return limit, nil
}

var errNoJournal error = &control.Error{Text: "there is no journal yet", Remedy: "it is begun with the first event: try again in a moment"}

// read opens the journal for one answer.
func (i *Inquiry) read(ctx context.Context, do func(context.Context, *journal.Reader) error) error {
	ctx, end := context.WithTimeout(ctx, patience)
	defer end()
	leave, err := i.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	r, err := journal.OpenReader(i.around.InForce().Journal.Path)
	switch {
	case errors.Is(err, journal.ErrNoJournal):
		return errNoJournal
	case err != nil:
		return err
	}
	defer r.Close()
	err = do(ctx, r)
	if ctx.Err() != nil {
		return &control.Error{Text: "reading the journal takes too long", Remedy: "ask for less: a shorter time, one client, one door"}
	}
	return err
}

// enter waits for room to read.
func (i *Inquiry) enter(ctx context.Context) (leave func(), err error) {
	rooms := []chan struct{}{i.guests, i.slow}
	if control.RightsOf(ctx).Has(control.Admin) {
		rooms = rooms[1:]
	}
	for n, room := range rooms {
		select {
		case room <- struct{}{}:
		case <-ctx.Done():
			for _, taken := range rooms[:n] {
				<-taken
			}
			return nil, &control.Error{Text: "the journal is being read by others", Remedy: "try again in a moment"}
		}
	}
	return func() {
		for _, taken := range rooms {
			<-taken
		}
	}, nil
}

// Journal returns events of the journal.
func (i *Inquiry) Journal(ctx context.Context, q control.JournalRequest) (a control.JournalAnswer, err error) {
	query := journal.Query{Since: q.Since, Until: q.Until, Door: q.Door, Client: q.Client, Kinds: q.Kinds, Reasons: q.Reasons, After: q.After}
	if query.Limit, err = limited(q.Limit, mostEntries); err != nil {
		return a, err
	}
	if q.Source != "" {
		if query.Source, err = prefix(q.Source); err != nil {
			return a, control.Wrong("give an address or a prefix", "source %q", q.Source)
		}
	}
	for _, k := range q.Kinds {
		if !slices.Contains(event.Kinds(), k) {
			return a, control.Wrong(fmt.Sprintf("there are %s", words(event.Kinds())), "there is no kind %q", k)
		}
	}
	for _, r := range q.Reasons {
		if _, known := report.Explain(r); !known {
			return a, control.Wrong(fmt.Sprintf("there are %s", words(report.Reasons())), "there is no reason %q", r)
		}
	}
	a.Entries = []control.JournalEntry{}
	err = i.read(ctx, func(ctx context.Context, r *journal.Reader) error {
		for e, err := range r.Events(ctx, query) {
			if err != nil {
				return err
			}
			a.Entries = append(a.Entries, control.JournalEntry{ID: e.ID, Happening: control.Happened(e.Event)})
		}
		return nil
	})
	return a, err
}

func prefix(text string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(text); err == nil {
		return p.Masked(), nil
	}
	a, err := netip.ParseAddr(text)
	if err == nil && a.Zone() != "" {
		err = errors.New("it has a zone")
	}
	a = a.Unmap()
	return netip.PrefixFrom(a, a.BitLen()), err
}

func words[T ~string](list []T) string {
	texts := make([]string, len(list))
	for i, w := range list {
		texts[i] = string(w)
	}
	return strings.Join(texts, ", ")
}

// said checks a language in which something is asked for.
func said(l lang.Lang) error {
	if _, err := lang.Parse(string(l)); l != "" && err != nil {
		return control.Wrong("want en or ja", "there is no language %q here", l)
	}
	return nil
}

// Findings returns what is worth a look.
func (i *Inquiry) Findings(ctx context.Context, q control.FindingsRequest) (a control.FindingsAnswer, err error) {
	limit, err := limited(q.Limit, mostFindings)
	if err != nil {
		return a, err
	}
	if q.Severity != "" && q.Severity.Rank() < 0 {
		return a, control.Wrong(fmt.Sprintf("there are %s", words(event.Severities())), "there is no severity %q", q.Severity)
	}
	if err := said(q.Lang); err != nil {
		return a, err
	}
	a.Findings = []event.Finding{}
	err = i.read(ctx, func(ctx context.Context, r *journal.Reader) error {
		list, err := r.Findings(ctx, q.All)
		list = slices.DeleteFunc(list, func(f event.Finding) bool { return q.Severity != "" && !f.Severity.AtLeast(q.Severity) })
		a.More = max(len(list)-limit, 0)
		for _, f := range list[:len(list)-a.More] {
			a.Findings = append(a.Findings, detect.In(q.Lang, f))
		}
		return err
	})
	return a, err
}

// Report returns the figures of some time.
func (i *Inquiry) Report(ctx context.Context, q control.ReportRequest) (s report.Summary, err error) {
	cfg, now := i.around.InForce(), time.Now()
	if q.Until.IsZero() {
		q.Until = now
	}
	if err := said(q.Lang); err != nil {
		return s, err
	}
	if q.Since.IsZero() {
		q.Since = q.Until.AddDate(0, 0, -7)
	}
	if !q.Since.Before(q.Until) {
		return s, control.Wrong("want since before until", "there is no time from %s to %s", q.Since.Format(time.RFC3339), q.Until.Format(time.RFC3339))
	}
	subject := report.Subject{Host: i.around.Host, Version: i.around.Version, Since: q.Since, Until: q.Until}
	Configured(&subject, cfg, now)
	err = i.read(ctx, func(ctx context.Context, r *journal.Reader) error {
		built, err := Build(ctx, r, subject)
		if err == nil {
			s = built.SummaryIn(q.Lang)
			for i, f := range s.Findings {
				s.Findings[i] = detect.In(q.Lang, f)
			}
		}
		return err
	})
	return s, err
}

// Configured adds to a report what the configuration says.
func Configured(s *report.Subject, cfg *config.Config, now time.Time) {
	for _, d := range cfg.Doors {
		s.Doors = append(s.Doors, report.Named{Name: d.Name, Label: d.Label})
	}
	for _, c := range cfg.Clients {
		s.Clients = append(s.Clients, report.Named{Name: c.Name, Label: c.Label})
	}
	s.Overdue = cfg.Overdue(now)
	s.RotationDue = cfg.Gate.RotationDue
}

// Build reads a report out of the journal.
func Build(ctx context.Context, r *journal.Reader, s report.Subject) (*report.Report, error) {
	findings, err := r.Findings(ctx, false)
	if err != nil {
		return nil, err
	}
	for _, f := range findings {
		if !f.Last.Before(s.Since) && f.First.Before(s.Until) {
			s.Findings = append(s.Findings, f)
		}
	}
	built := report.New(s)
	for e, err := range r.Events(ctx, journal.Query{Since: s.Since, Until: s.Until}) {
		if err != nil {
			return nil, err
		}
		built.Add(e.Event)
	}
	return built, nil
}

// Lint returns what is weak in the configuration in force, on this host.
func (i *Inquiry) Lint(context.Context) (control.LintAnswer, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	cfg, now := i.around.InForce(), time.Now()
	if age := now.Sub(i.linted.At); i.of == cfg && age >= 0 && age < lintFor {
		return i.linted, nil
	}
	found, notes := i.around.OfHost(cfg)
	a := control.LintAnswer{At: now, Notes: append([]string{}, notes...), Problems: []control.LintProblem{}}
	for _, p := range lint.Check(cfg, found, now) {
		a.Problems = append(a.Problems, control.NewLintProblem(p))
	}
	i.linted, i.of = a, cfg
	return a, nil
}

// Keys returns the server keys in force.
func (i *Inquiry) Keys(context.Context) (control.KeysAnswer, error) {
	a, now := control.KeysAnswer{Keys: []control.ServerKey{}}, time.Now()
	for _, h := range i.around.Keys().All() {
		k := control.ServerKey{Suite: h.Suite().String(), Fingerprint: h.Current.Public().Fingerprint()}
		if !h.Until.IsZero() && now.Before(h.Until) {
			k.Previous, k.PreviousUntil = h.Previous.Public().Fingerprint(), h.Until
		}
		a.Keys = append(a.Keys, k)
	}
	return a, nil
}

// HostName names this host, as far as it has a name.
func HostName() string {
	if name, err := os.Hostname(); err == nil {
		return name
	}
	return "this host"
}
