package main

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func TestNothingIsWrong(t *testing.T) {
	var out strings.Builder
	if wrong := ordinaryDays(&out, 1, 1) + attackTable(&out, 1, 1) + falseOpens(&out, 1, 20); wrong != 0 {
		t.Errorf("%d wrong\n%s", wrong, &out)
	}
}

func TestTheSameSeedGivesTheSameDay(t *testing.T) {
	var one, two, other strings.Builder
	ordinaryDays(&one, 1, 1)
	ordinaryDays(&two, 1, 1)
	ordinaryDays(&other, 2, 1)
	if one.String() != two.String() || one.String() == other.String() {
		t.Errorf("%s\n%s\n%s", &one, &two, &other)
	}
}

// A scan that happens to hold a door's knocks, one after the other, opens it:
// the count of opened doors can be other than zero.
func TestAScanThatKnocksOpens(t *testing.T) {
	cfg := randomConfig(rand.New(rand.NewPCG(1, 2)))
	if grants := play(cfg, cfg.Doors[0].Sequence, 1, time.Millisecond); grants != 1 {
		t.Errorf("%d grants, want 1", grants)
	}
}
