package firewall

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"sallyport/internal/config"
	"sallyport/internal/phrase"
)

// During a trial the table holds two plans: that of the old configuration under
// the usual names, and that of the new one under names with a prefix. Which of
// them judges a packet depends on a set with a timeout: while it has an element
// the new one does, and from then on the old one, whether or not this process
// still lives. Grants are common to both.
const (
	trialPrefix = "trial-"
	trialSet    = "trial"
)

// trial is a plan that holds for a while.
type trial struct {
	plan *plan
	left time.Duration
}

// Try closes what cfg says, as Apply does, but only for a while: after that the
// kernel goes back to what old says, unless Apply has been called before.
func (f *Firewall) Try(old, cfg *config.Config, left time.Duration) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if left < time.Millisecond {
		return errors.New("try a configuration: there is no time left for it")
	}
	was, err := f.inspect(nil)
	if err == nil {
		t := &trial{newPlanAs(trialPrefix, f.table, cfg), left}
		err = f.put(was, newPlan(f.table, old), t)
	}
	if err != nil {
		return fmt.Errorf("install table inet %s for %s: %w", tableName, phrase.Duration(left), err)
	}
	return nil
}

// onTrial sends packets to the new plan while there is a trial.
func onTrial(s *nftables.Set) []expr.Any {
	// [ meta load nfproto => reg 1 ]
	return rule([]expr.Any{load(expr.MetaKeyNFPROTO, unix.NFT_REG_1)}, in(s), goTo(trialPrefix+"prerouting"))
}

// addTrial begins a trial, or begins it again.
func (b *batch) addTrial(t *trial, p *plan) {
	if t == nil {
		return
	}
	b.addSet(p.sets.trial)
	b.conn.FlushSet(p.sets.trial)
	for _, f := range families {
		b.add(p.sets.trial, nftables.SetElement{Key: []byte{f.nfproto}, Timeout: t.left})
	}
}

// hadTrial reports whether the kernel holds a second plan.
func (was *installed) hadTrial() bool { return slices.Contains(was.chains, trialPrefix+"prerouting") }

// endTrial empties the sets of a trial that is over, so that nothing refers to
// its chains any more.
func (b *batch) endTrial(t *trial, was *installed) {
	if t == nil && was.hadTrial() {
		for _, s := range b.trialSets() {
			b.conn.FlushSet(s)
		}
	}
}

// removeTrial removes the sets of a trial that is over.
func (b *batch) removeTrial(t *trial, was *installed) {
	if t == nil && was.hadTrial() {
		for _, s := range b.trialSets() {
			b.conn.DelSet(s)
		}
	}
}

// trialSets are the sets that are there during a trial only.
func (b *batch) trialSets() []*nftables.Set {
	p := newPlanAs(trialPrefix, b.table, &config.Config{})
	return append(p.sets.fixed(), p.sets.trial)
}
