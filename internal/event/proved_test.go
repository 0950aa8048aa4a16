package event

import "testing"

// A refusal that no client has shown a key for is hostile, whatever its reason
// and whosever name stands in it.
func TestRefusalsAreHostileUnlessAuthenticated(t *testing.T) {
	reasons := constants(t, "reason.go", "Reason")
	if len(reasons) < 30 {
		t.Fatalf("%d reasons", len(reasons))
	}
	for _, kind := range []Kind{KindRefusal, KindClock} {
		for _, r := range reasons {
			for _, client := range []string{"", "alice"} {
				e := Event{Kind: kind, Reason: Reason(r), Client: client}
				if !e.Hostile() {
					t.Errorf("%+v is not hostile", e)
				}
				if e.Bound = true; !e.Hostile() {
					t.Errorf("%+v: where it is from does not show who sent it", e)
				}
				if e.Authenticated = true; e.Hostile() {
					t.Errorf("%+v is hostile", e)
				}
			}
		}
	}
}

// What only the authorised cause is neither hostile nor provoked.
func TestWhoCausesWhat(t *testing.T) {
	strangers := map[Kind]bool{KindRefusal: true, KindClock: true, KindContacts: true, KindLogin: true, KindBan: true, KindFailure: true, KindOverload: true, KindAsked: true}
	for _, k := range Kinds() {
		e := Event{Kind: k}
		if got := e.Hostile() || e.Provoked(); got != strangers[k] {
			t.Errorf("%s: in the hand of strangers is %v", k, got)
		}
	}
	if e := (Event{Kind: KindLogin, Reason: ByOperator}); e.Hostile() || !e.Provoked() {
		t.Error("logins at the console are throttled there, and failed ones strangers' doing")
	} else if e.Authenticated = true; e.Provoked() {
		t.Error("who has logged in at the console is no stranger")
	}
	if !(Event{Kind: KindFinding, Finding: &Finding{Hostile: true}}).Provoked() || (Event{Kind: KindFinding, Finding: &Finding{}}).Provoked() {
		t.Error("a finding goes by who can have it raised")
	}
	if (Event{Kind: KindBan, Reason: ByOperator}).Provoked() {
		t.Error("the ban of an operator is provoked")
	}
}
