package usage_test

import (
	"os"
	"testing"
	"time"

	"sallyport/bench/internal/usage"
)

func TestCPUGrowsWithWork(t *testing.T) {
	own, err := usage.CPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	all, err := usage.Machine()
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); ; {
		now, err := usage.CPU(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		machine, err := usage.Machine()
		if err != nil {
			t.Fatal(err)
		}
		if now > own && machine > all {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after 5 s of work: process %v, was %v; machine %v, was %v", now, own, machine, all)
		}
	}
}

func TestRSS(t *testing.T) {
	m, err := usage.RSS(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if m.Resident < 1<<20 || m.Peak < m.Resident || m.Mapped > m.Resident {
		t.Errorf("got %+v", m)
	}
}

func TestNoSuchProcess(t *testing.T) {
	const none = 1 << 30 // beyond the highest process id there can be
	if _, err := usage.CPU(none); err == nil {
		t.Error("CPU: no error")
	}
	if _, err := usage.RSS(none); err == nil {
		t.Error("RSS: no error")
	}
}
