package guide

import (
	"fmt"
	"slices"
	"strings"

	"sallyport/internal/config"
)

func (w *writer) records() {
	c := w.Config
	w.section(w.T("What is recorded, and for how long"))
	w.clause("journal", true, w.T("Grants and refusals are recorded with reason, time, door, source address and, where it is known, client, in %s: for %s at most, and up to %s. Refusals that strangers can cause are summed up.", code(c.Journal.Path), w.length(c.Journal.Keep), size(c.Journal.MaxSize)))
	w.clause("personal", true, w.T("These records are data about people. Only administrators read them, for the security of this host and for nothing else."))
	w.clause("chain", c.Journal.Chain, w.T("Records are chained by hashes, so that `sallyport events verify` shows whether they were changed."))
	w.clause("no-chain", !c.Journal.Chain, w.T("Records are not chained: nothing shows whether they were changed."))
	w.clause("findings", c.Detect.Enabled, w.T("Attacks and misuse are looked for in what happens, and reported as findings (`sallyport findings`)."))
	w.clause("no-findings", !c.Detect.Enabled, w.T("Nothing is looked for in the records: attacks are noticed only by those who read them."))
	w.clause("logins", c.Detect.Enabled && c.Detect.SSHLog != "", w.T("Failed and successful logins of SSH are read too."))
	w.clause("countries", c.Detect.Enabled && c.Detect.GeoIP != "", w.T("The country of an address is looked up on this host; no address is sent elsewhere for that."))
	w.clause("webhooks", len(c.Webhooks) > 0, w.T("Other systems receive reports of what happens: %d.", len(c.Webhooks)))
	w.clause("hooks", len(c.Hooks) > 0, w.T("Programs on this host are run when something happens: %d.", len(c.Hooks)))
	w.clause("metrics", c.Metrics.Listen != "", w.T("A monitoring system can fetch figures."))
	w.clause("bans", c.Ban.Enabled, w.T("A source that is proved to attack is kept out for %s.", w.length(c.Ban.For)))
	w.clause("decoys", c.Ban.Enabled && len(c.Ban.Decoys) > 0, w.T("Some ports are decoys: who connects to them is taken for an attacker. Do not scan this host without notice."))
}

// size writes a number of bytes as the configuration does.
func size(n int64) string {
	for _, u := range []struct {
		name  string
		bytes int64
	}{{"TiB", 1 << 40}, {"GiB", 1 << 30}} {
		if n%u.bytes == 0 {
			return fmt.Sprintf("%d %s", n/u.bytes, u.name)
		}
	}
	return fmt.Sprintf("%d MiB", n>>20)
}

func (w *writer) roles() {
	c := w.Config
	w.section(w.T("Roles"))
	w.clause("administrators", true, w.T("Administrators are those who may act as root on this host. They change the configuration, run `sallyport check` before it comes into force, and put it into force with `sallyport reload --confirm 60s`, which goes back by itself if they lock themselves out."))
	w.clause("holders", len(c.Clients) > 0, w.T("Each client belongs to one person or device, who keeps its key or secret, shares it with nobody, and reports its loss at once."))
	w.clause("sharers", w.doors(w.static) != "" || w.sequenceOfGroup(), w.T("For each sequence an administrator keeps the list of those who know it."))
	w.clause("watchers", c.Detect.Enabled, w.T("An administrator reads the findings every day, and acknowledges each that has been dealt with (`sallyport findings ack ID`)."))
	w.clause("readers", !c.Detect.Enabled, w.T("An administrator reads the records every day (`sallyport events`)."))
	w.clause("machine", c.API.Listen.IsValid(), w.T("A system with the token of the interface for others can end grants, but open nothing."))
}

func (w *writer) events() {
	c := w.Config
	shared := w.doors(w.static) != ""
	w.section(w.T("What to do when"))
	w.clause("lost-key", w.uses(config.WaySPA) || w.uses(config.WayFwknop), w.T("A device or key is lost or stolen: `sallyport client remove NAME --cut` at once, which also ends its connections. Then enrol a new key."))
	w.clause("lost-secret", w.uses(config.WayRotating), w.T("A rotating secret may be known to others: `sallyport client rotate NAME --keep 0s`, after which the old one opens nothing. Hand out the new one."))
	w.clause("lost-sequence", shared, w.T("A sequence may be known to others: `sallyport door rotate NAME --keep 0s`, after which the old one opens nothing. Hand out the new one."))
	w.clause("lost-group-sequence", w.sequenceOfGroup(), w.T("The sequence of a group may be known to others: write a new one into the configuration, then `sallyport reload`."))
	w.clause("leaver", len(c.Clients) > 0, w.T("Someone leaves or changes duties: `sallyport client remove NAME --cut` for each client of that person, on the last day."))
	w.clause("leaver-file", c.SPA.AuthorizedKeys != "", w.T("Clients whose keys stand in %s are removed there, then by `sallyport reload`.", code(c.SPA.AuthorizedKeys)))
	w.clause("leaver-sequence", shared || w.sequenceOfGroup(), w.T("Someone leaves who knows a sequence: change every sequence that the person knew, on the last day."))
	w.clause("critical", c.Detect.Enabled, w.T("A finding that is critical: act now. End the grants in question with `sallyport revoke --client NAME --cut` or `sallyport revoke --door NAME --cut`, and look for what else was touched."))
	w.clause("high", c.Detect.Enabled, w.T("A finding that is high: within the hour. Someone attacks, or a secret is no secret any more: change what the finding names."))
	w.clause("medium", c.Detect.Enabled, w.T("A finding that is medium: look at it today. `sallyport why ADDRESS` shows what was decided."))
	w.clause("low", c.Detect.Enabled, w.T("A finding that is low: look at it this week."))
	w.clause("info", c.Detect.Enabled, w.T("A finding that is info: nothing to do; `sallyport report` lists it."))
	w.clause("down", len(c.Doors) > 0, w.T("The gate does not run: what is closed stays closed, connections go on, and nobody new gets in. `systemctl status sallyport` says why; `systemctl restart sallyport` starts it."))
	w.clause("out-trusted", len(c.Gate.Trusted) > 0, w.T("An administrator is locked out: log in from one of the addresses that need no knock, or over the console of the machine; then `sallyport why ADDRESS` and `sallyport open DOOR --source ADDRESS`."))
	w.clause("out-console", len(c.Gate.Trusted) == 0 && len(c.Doors) > 0, w.T("An administrator is locked out: log in over the console of the machine or of its provider; then `sallyport why ADDRESS` and `sallyport open DOOR --source ADDRESS`."))
	w.clause("banned", c.Ban.Enabled, w.T("Someone honest is kept out: `sallyport ban list` shows it, `sallyport ban remove ADDRESS` ends it."))
}

func (w *writer) reviews() {
	c, p := w.Config, w.Policy
	w.section(w.T("Dates"))
	w.table("dates", w.dates())
	w.clause("overdue", len(c.Overdue(w.Now)) > 0, w.T("Overdue or of unknown age: %d. `sallyport check` names each.", len(c.Overdue(w.Now))))
	endless := func(c *config.Client) bool { return c.Expires.IsZero() }
	w.clause("endless", w.clients(endless) != "", w.T("These clients have no end, so look at each review whether they are still needed: %s.", w.clients(endless)))
	review := p != nil && p.ReviewEvery != 0
	next := w.Now
	if review {
		next = w.Now.Add(p.ReviewEvery)
	}
	w.clause("review", review, w.T("The next review of this guideline and of all doors and clients is due on %s.", w.day(next)))
	w.clause("no-review", !review, w.T("No policy says when this guideline is reviewed: agree on a date."))
}

// dates are those that the configuration holds, in their order.
func (w *writer) dates() *Table {
	type date struct{ day, what string }
	var list []date
	add := func(day, what string) { list = append(list, date{day, what}) }
	due := w.Config.Gate.RotationDue
	for _, d := range w.Config.Doors {
		if len(d.Sequence) > 0 && due != 0 && !d.Changed.IsZero() {
			add(w.day(d.Changed.Add(due)), w.T("the sequence of door %s is due", code(d.Name)))
		}
		if len(d.Previous) > 0 && w.Now.Before(d.PreviousUntil) {
			add(w.day(d.PreviousUntil), w.T("the old sequence of door %s ends", code(d.Name)))
		}
	}
	for _, c := range w.Config.Clients {
		if !c.Rotating.Current.IsZero() && due != 0 && !c.Changed.IsZero() {
			add(w.day(c.Changed.Add(due)), w.T("the rotating secret of client %s is due", code(c.Name)))
		}
		if w.Now.Before(c.Expires) {
			add(w.day(c.Expires), w.T("client %s expires", code(c.Name)))
		}
	}
	slices.SortStableFunc(list, func(a, b date) int { return strings.Compare(a.day, b.day) })
	t := &Table{Head: w.head(w.T("Date"), w.T("What"))}
	for _, d := range list {
		t.Rows = append(t.Rows, []Text{Text(d.day), Text(d.what)})
	}
	return t
}
