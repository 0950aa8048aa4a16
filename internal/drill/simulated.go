//go:build linux

package drill

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"sallyport/internal/config"
	"sallyport/internal/detect/days"
)

const saySimulated = "the detection does not see it, or takes something else for it"

// simulated makes an attack of each model of a day.
func simulated() (list []Attack) {
	for i := range days.Models {
		m := &days.Models[i]
		list = append(list, Attack{
			ID: "day-" + m.ID, Group: "simulated", Does: m.Name, Not: saySimulated,
			Rule: m.Rule, Within: m.Lasts, Technique: techniques[m.Rule], Simulated: true,
		})
	}
	return list
}

var techniques = map[string]string{
	"scan-fast": "T1595.001", "scan-slow": "T1595.001", "scan-distributed": "T1595.001", "guessing": "T1110.001",
	"guessing-distributed": "T1110.001", "near-miss": "T1040", "replay": "T1040", "interception": "T1557", "two-places": "T1078",
	"failed-logins": "T1110.001", "flood": "T1498.001", "forbidden-door": "T1078", "forbidden-place": "T1078",
}

// ordinary is the configuration of the simulated days, which is read once.
var ordinary = sync.OnceValues(func() (*config.Config, error) {
	dir, err := os.MkdirTemp("", "sallyport-drill-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "sallyport.toml")
	if err := os.WriteFile(path, []byte(days.Settings), 0o600); err != nil {
		return nil, err
	}
	return config.Load(os.DirFS("/"), path)
})

// judge carries out an attack in simulated time.
func (a *Attack) judge(r Result, p *plan) Result {
	if a.simulate == nil {
		return a.model(r, p)
	}
	dir, err := os.MkdirTemp("", "sallyport-drill-")
	if err != nil {
		return r.broken(err)
	}
	judged, err := a.simulate(p, dir, r)
	if err = errors.Join(err, os.RemoveAll(dir)); err != nil {
		return r.broken(err)
	}
	return judged
}

// model has the detection judge a model, with the thresholds of the plan. The
// seed is always the same: a drill that is run again has the same day.
func (a *Attack) model(r Result, p *plan) Result {
	if !p.Detect.Enabled {
		return r.failed("the finding %s cannot come: [detect] is off", a.Rule)
	}
	same, err := ordinary()
	if err != nil {
		return r.broken(err)
	}
	cfg := *same
	cfg.Detect = p.Detect
	for i := range days.Models {
		m := &days.Models[i]
		if "day-"+m.ID != a.ID {
			continue
		}
		o := m.Try(&cfg, 1, uint64(1000+100*i)<<32)
		r.Seen = rules(o.Others)
		if !o.Seen {
			return r.failed("the finding %s (%s) has not come", m.Rule, m.Severity)
		}
		r.Seen, r.Seconds, r.Verdict = append([]string{m.Rule}, r.Seen...), o.After.Seconds(), Held
		return r
	}
	return r.broken(fmt.Errorf("no model is called %q", a.ID))
}
