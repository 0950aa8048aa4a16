package gate

import (
	"time"

	"sallyport/internal/config"
	"sallyport/internal/event"
	"sallyport/internal/packet"
	"sallyport/internal/sequence"
	"sallyport/internal/spent"
)

// way is a sequence that opens a door.
type way struct {
	reason event.Reason   // BySequence, ByOneTime or ByRotating
	door   *config.Door   // nil for a group
	group  string         // its name
	doors  []*config.Door // its doors
	until  time.Time      // when it ends; zero: never
	proof  event.Proof

	client *config.Client // of a rotating sequence
	step   int64          // of a rotating sequence
	record spent.Record   // of a rotating or one-time sequence
	before []spent.Record // of a one-time sequence: those that must have been used before
}

// name is that of the door or group.
func (w *way) name() string {
	if w.door != nil {
		return w.door.Name
	}
	return w.group
}

// opens returns the doors.
func (w *way) opens() []*config.Door {
	if w.door != nil {
		return []*config.Door{w.door}
	}
	return w.doors
}

// Plan is every sequence that opens something for the time around a step,
// compiled. It does not change.
type Plan struct {
	table *sequence.Table
	ways  []way // by index of their sequence in the table
	step  int64
	of    int // counts the changes of what plans are made of
}

// A plan for step t holds the sequences of the steps t-1 to t+2: those accepted
// in t and in t+1, so that the next plan may be late by a whole step.
const (
	stepsBack  = 1
	stepsAhead = 2
)

// Planning returns a function that makes a plan for a moment, unless the plan
// in use is right for it; then it returns nil. The function may run in
// another goroutine, and takes time in proportion to the clients: 25 ms for 500
// of them with three doors each.
func (g *Gate) Planning(now time.Time) func() *Plan {
	step := sequence.StepAt(now)
	if g.plan.step == step && g.plan.of == g.changes || !g.config.Rotates() {
		return nil
	}
	p := planner{config: g.config, neutral: g.neutral, spent: g.spent != nil, plan: &Plan{step: step, of: g.changes}}
	return p.make
}

// Adopt puts a plan into use. Sequences in progress that it still holds go on.
// What the plan was made of may have changed since; then it is dropped, and
// there is a newer one already.
func (g *Gate) Adopt(p *Plan) {
	if p.of == g.changes {
		g.plan = p
		g.tracker.Replace(p.table)
	}
}

// replan makes a new plan and puts it into use.
func (g *Gate) replan(step int64) {
	g.changes++
	p := planner{config: g.config, neutral: g.neutral, spent: g.spent != nil, plan: &Plan{step: step, of: g.changes}}
	g.Adopt(p.make())
}

// planner makes a plan.
type planner struct {
	config    *config.Config
	neutral   portSet
	spent     bool // there is a memory for what opens only once
	plan      *Plan
	sequences []sequence.Sequence
}

func (p *planner) make() *Plan {
	for i := range p.config.Doors {
		door := &p.config.Doors[i]
		p.add(way{reason: event.BySequence, door: door}, door.Sequence, door.Within)
		p.add(way{reason: event.BySequence, door: door, until: door.PreviousUntil}, door.Previous, door.Within)
		if p.spent {
			p.addOneTime(door)
		}
	}
	groups := doorsOf(p.config)
	for i := range p.config.Groups {
		group := &p.config.Groups[i]
		p.add(way{reason: event.BySequence, group: group.Name, doors: groups(group.Doors)}, group.Sequence, group.Within)
	}
	if p.spent {
		p.addRotating()
	}
	p.plan.table = sequence.Compile(p.sequences)
	return p.plan
}

func (p *planner) add(w way, knocks []packet.Port, within time.Duration) {
	if len(knocks) > 0 {
		if w.reason == event.BySequence {
			w.proof = sequenceProof(knocks)
		}
		p.plan.ways = append(p.plan.ways, w)
		p.sequences = append(p.sequences, sequence.Sequence{Knocks: knocks, Within: within})
	}
}

func (p *planner) addOneTime(door *config.Door) {
	records := make([]spent.Record, 0, len(door.OneTime))
	for _, o := range door.OneTime {
		w := way{reason: event.ByOneTime, door: door, record: spent.Sequence(door.Name, o.Knocks), before: records, proof: oneTimeProof}
		p.add(w, o.Knocks, door.Within)
		records = append(records, w.record)
	}
}

func (p *planner) addRotating() {
	of := doorsOf(p.config)
	for i := range p.config.Clients {
		c := &p.config.Clients[i]
		for _, s := range []struct {
			secret sequence.Secret
			until  time.Time
		}{{secret: c.Rotating.Current}, {c.Rotating.Previous, c.Rotating.PreviousUntil}} {
			if s.secret.IsZero() {
				continue
			}
			proof := secretProof(s.secret)
			rotation := sequence.NewRotation(s.secret.At(p.config.Gate.Name), p.config.Rotating.Shape)
			for _, door := range of(c.Doors) {
				p.addSteps(rotation, way{reason: event.ByRotating, door: door, client: c, until: s.until, proof: proof})
			}
			for _, name := range c.Groups {
				p.addSteps(rotation, way{reason: event.ByRotating, group: name, doors: of(p.config.Group(name).Doors), client: c, until: s.until, proof: proof})
			}
		}
	}
}

// addSteps adds the sequences of the plan's steps, without the knocks that the
// gate does not see. One of them may be missing; with fewer a sequence could be
// guessed.
func (p *planner) addSteps(rotation *sequence.Rotation, w way) {
	for w.step = p.plan.step - stepsBack; w.step <= p.plan.step+stepsAhead; w.step++ {
		w.record = spent.Step(w.client.Name, w.name(), w.step)
		all := rotation.Knocks(w.name(), w.step)
		knocks := all[:0]
		for _, k := range all {
			if !p.neutral.has(k) {
				knocks = append(knocks, k)
			}
		}
		if len(knocks) >= p.config.Rotating.Knocks-1 {
			p.add(w, knocks, p.config.Rotating.Within)
		}
	}
}

// doorsOf returns a function that finds doors by their names.
func doorsOf(cfg *config.Config) func(names []string) []*config.Door {
	doors := make(map[string]*config.Door, len(cfg.Doors))
	for i := range cfg.Doors {
		doors[cfg.Doors[i].Name] = &cfg.Doors[i]
	}
	return func(names []string) []*config.Door {
		list := make([]*config.Door, len(names))
		for i, name := range names {
			list[i] = doors[name]
		}
		return list
	}
}
