package firewall

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"sallyport/internal/config"
	"sallyport/internal/packet"
)

// installed is what the kernel holds before a change.
type installed struct {
	table   bool
	same    bool // in our layout and with our flags: it can be changed in place
	chains  []string
	doors   map[packet.Port]bool // closed already
	refused []nftables.SetElement
	grants  []entry // none if those that are there fit the plan
}

// Apply closes what the configuration says, in one batch, and can be repeated:
// it also puts right what someone else has changed. Grants of doors that still
// exist go on, for the door's new ports too; the others end. (A single grant
// gets no new ports: it may be used while we look.) Sessions under way go on,
// also those that are older than connection tracking. On an error the firewall
// is what it was.
func (f *Firewall) Apply(cfg *config.Config) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.apply(cfg); err != nil {
		return fmt.Errorf("install table inet %s: %w", tableName, err)
	}
	return nil
}

// apply installs the table. One that has vanished gets the sessions back that
// it had.
func (f *Firewall) apply(cfg *config.Config) error {
	p := newPlan(f.table, cfg)
	was, err := f.inspect(p)
	if err != nil {
		return err
	}
	return f.put(was, p, nil)
}

// put brings the plan p into force, or, on trial, the trial's plan for a while
// and p afterwards.
func (f *Firewall) put(was *installed, p *plan, t *trial) error {
	plans := []*plan{p}
	if t != nil {
		plans = append(plans, t.plan)
		p = t.plan
	}
	wanted := f.newlyClosed(p, was)
	early := f.sessions(wanted)
	write := func() error {
		b := f.newBatch()
		b.install(plans, t, was)
		b.keepGrants(p, was)
		b.addSessions(p.sets, slices.AppendSeq(early, maps.Keys(f.midstream)))
		return b.flush()
	}
	err := write()
	if lacking(err) && dropLabels(plans) {
		err = write()
	}
	if err != nil {
		return explainInstall(err)
	}
	f.applied = p
	f.remember(early)
	f.addLateSessions(wanted)
	return nil
}

// explainInstall names what the table needs of a kernel.
func explainInstall(err error) error {
	if lacking(err) || errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("%w: this needs Linux 5.10 or later with nf_conntrack, nft_ct, nft_fib_inet and nft_reject_inet", err)
	}
	return err
}

// lacking reports whether the kernel lacks something that a batch wants.
func lacking(err error) bool { return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EOPNOTSUPP) }

// Present reports whether the table is there, with the grants that it holds. Where
// it is not, Apply installs it, and GrantAll can put grants back.
func (f *Firewall) Present() (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t, ours, err := f.look()
	if err != nil {
		return false, fmt.Errorf("look at table inet %s: %w", tableName, err)
	}
	return ours && f.changeable(t), nil
}

// look finds the table, nil if there is none, and reports whether it has our
// layout.
func (f *Firewall) look() (t *nftables.Table, ours bool, err error) {
	t, err = f.reader.table(f.table)
	if err != nil || t == nil {
		return nil, false, err
	}
	if t.Owner != 0 && t.Owner != f.id {
		return nil, false, fmt.Errorf("it belongs to another process (netlink port %d): is another sallyport serve running?", t.Owner)
	}
	mark, err := f.reader.comment(f.sets.doors)
	return t, mark == layout, err
}

// changeable reports whether the table can get our flags. The kernel gives the
// owner flag to a table whose owner has gone, and no table the other one.
func (f *Firewall) changeable(t *nftables.Table) bool {
	return t.Flags&nftables.TableFlagPersist == f.table.Flags&nftables.TableFlagPersist
}

// inspect reads what there is. Grants are left out that fit the plan p; nil
// stands for one that none can be known to fit.
func (f *Firewall) inspect(p *plan) (*installed, error) {
	t, ours, err := f.look()
	was := &installed{table: t != nil}
	if err != nil || !ours {
		return was, err
	}
	if was.same = f.changeable(t); was.same {
		if err := f.inspectContents(was); err != nil {
			return nil, err
		}
	}
	if !was.fits(p) {
		was.grants, err = f.entries()
	}
	return was, err
}

// fits reports whether all grants that the kernel holds are as the plan p would
// have them, without looking at them: to list a hundred thousand takes seconds.
func (was *installed) fits(p *plan) bool {
	return p != nil && was.same && slices.Contains(was.chains, p.mark())
}

// inspectContents reads what can stay.
func (f *Firewall) inspectContents(was *installed) error {
	var err error
	if was.refused, err = f.reader.elements(f.sets.refused); err != nil {
		return err
	}
	doors, err := f.reader.elements(f.sets.doors)
	if err != nil {
		return err
	}
	was.doors = make(map[packet.Port]bool, len(doors))
	for _, e := range doors {
		if port, ok := readPortKey(e.Key); ok {
			was.doors[port] = true
		}
	}
	if f.applied == nil {
		if err := f.recall(); err != nil {
			return err
		}
	}
	was.chains, err = f.reader.chains(f.table)
	return err
}

// install gathers everything but grants and sessions. What follows from the
// configuration is emptied and filled again; the kernel shows packets either
// all of the old or all of the new.
func (b *batch) install(plans []*plan, t *trial, was *installed) {
	if was.table && !was.same {
		b.conn.DelTable(b.table)
	}
	b.conn.AddTable(b.table)
	b.conn.AddObj(b.refused)
	if was.same {
		b.conn.FlushTable(b.table)
	}
	sets := append(plans[0].sets.fixed(), plans[0].sets.live()...)
	for _, p := range plans[1:] {
		sets = append(sets, p.sets.fixed()...)
	}
	for _, s := range sets {
		b.addSet(s)
	}
	b.addTrial(t, plans[0])
	chains := b.addChains(plans)
	for _, p := range plans {
		for _, s := range p.sets.fixed() {
			if was.same {
				b.conn.FlushSet(s)
			}
			b.add(s, p.fixed[s]...)
		}
	}
	if was.same {
		b.endTrial(t, was)
		b.removeOld(chains, was)
		b.removeTrial(t, was)
	}
	b.addRefused(plans, was)
	for _, c := range chains {
		for _, r := range c.rules {
			b.conn.AddRule(&nftables.Rule{Table: b.table, Chain: &nftables.Chain{Name: c.name, Table: b.table}, Exprs: r})
		}
	}
}

func (b *batch) addChains(plans []*plan) []chain {
	var chains []chain
	for _, p := range slices.Backward(plans) { // the base chain last
		chains = append(chains, p.chains(b)...)
	}
	if len(plans) > 1 { // grants are those of both, and fit neither
		base := &chains[len(chains)-1]
		base.rules = slices.Insert(base.rules, 0, onTrial(plans[0].sets.trial))
	} else {
		chains = slices.Insert(chains, 0, chain{name: plans[0].mark()})
	}
	for _, c := range chains {
		added := &nftables.Chain{Name: c.name, Table: b.table}
		if c.hook != nil {
			accept := nftables.ChainPolicyAccept
			added.Type, added.Hooknum, added.Priority, added.Policy = nftables.ChainTypeFilter, c.hook, nftables.ChainPriorityMangle, &accept
			if c.first != nil {
				added.Priority = c.first
			}
		}
		b.conn.AddChain(added)
	}
	return chains
}

// removeOld removes the chains of doors that are gone. Nothing refers to them
// any more by then.
func (b *batch) removeOld(wanted []chain, was *installed) {
	names := make(map[string]bool, len(wanted))
	for _, c := range wanted {
		names[c.name] = true
	}
	for _, name := range was.chains {
		if !names[name] {
			b.conn.DelChain(&nftables.Chain{Name: name, Table: b.table})
		}
	}
}

// addRefused brings the counted ports up to date and keeps the counts.
func (b *batch) addRefused(plans []*plan, was *installed) {
	counted := make(map[string]bool, len(was.refused))
	for _, e := range was.refused {
		counted[string(e.Key)] = true
	}
	refused, wanted := plans[0].sets.refused, make(map[string]bool)
	for _, p := range plans {
		for _, e := range p.fixed[p.sets.doors] {
			if !wanted[string(e.Key)] && !counted[string(e.Key)] {
				b.add(refused, nftables.SetElement{Key: e.Key})
			}
			wanted[string(e.Key)] = true
		}
	}
	for key := range counted {
		if !wanted[key] {
			b.remove(refused, nftables.SetElement{Key: []byte(key)})
		}
	}
}

// keepGrants ends the grants whose door, or its port, is gone, and extends the
// lasting ones to ports that their door has got. A single grant that is used
// up meanwhile must not come back: its elements are removed or left alone.
func (b *batch) keepGrants(p *plan, was *installed) {
	have := make(map[string]bool)
	for _, e := range was.grants {
		if was.same {
			have[e.id()] = true
		}
	}
	for _, e := range was.grants {
		if was.same && !p.keeps(e) {
			b.discard([]entry{e})
		}
		if e.single() || e.bits != 0 && !p.keeps(e) {
			continue
		}
		for _, e.port = range p.doors[e.door] {
			if !have[e.id()] {
				have[e.id()] = true
				b.add(e.set, e.full())
			}
		}
	}
}

// Down removes the table: every door is open. It is no error if there is none.
func (f *Firewall) Down() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	b := f.newBatch()
	b.conn.DelTable(f.table)
	if err := b.flush(); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("remove table inet %s: %w", tableName, err)
	}
	f.applied, f.midstream = nil, nil
	return nil
}
