package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"sallyport/internal/detect"
	"sallyport/internal/detect/days"
	"sallyport/internal/event"
)

const (
	manySources = 10_000_000
	peerLines   = 30_000 // fail2ban takes about a second for so many
)

// hostileEvent is one that an attacker can cause, from any source.
func hostileEvent(r *rand.Rand, n int) event.Event {
	e := event.Event{Time: days.Begin.Add(time.Duration(n) * 3 * time.Microsecond), Source: days.Addr(r.Uint32())}
	switch n % 3 {
	case 0:
		e.Kind, e.Count = event.KindContacts, event.Contacts{Packets: 1, Ports: 1, Seen: 1 << (n % 64)}
	case 1:
		e.Kind, e.Reason, e.Right, e.Of = event.KindRefusal, event.WrongKnock, 1, 4
	case 2:
		e.Kind, e.Reason = event.KindRefusal, event.BadTag
	}
	return e
}

// speed prints how many events a second are judged on one core, how much
// memory is held after very many sources, and what fail2ban does in the same minute.
func speed(out io.Writer, seed uint64, peer bool) {
	cfg, err := loaded(days.Settings)
	if err != nil {
		panic(err)
	}
	before := heapInUse()
	d := detect.New(detect.Options{Config: cfg}, days.Begin)
	r := rand.New(rand.NewPCG(seed, 7))
	began := time.Now()
	for n := range manySources {
		d.Observe(hostileEvent(r, n))
	}
	took := time.Since(began)
	fmt.Fprintf(out, "Speed, one core: %d events from as many sources in %s: %.0f events a second; memory held: %.1f MiB.\n",
		manySources, took.Round(time.Millisecond), manySources/took.Seconds(), float64(heapInUse()-before)/(1<<20))
	runtime.KeepAlive(d)
	if peer {
		fail2ban(out, r)
	}
	fmt.Fprintln(out)
}

func heapInUse() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// fail2ban reads the same events as lines of the daemon's log.
func fail2ban(out io.Writer, r *rand.Rand) {
	program, err := exec.LookPath("fail2ban-regex")
	if err != nil {
		fmt.Fprintln(out, "fail2ban is not installed: left out.")
		return
	}
	dir, err := os.MkdirTemp("", "bench-detect")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	log := filepath.Join(dir, "sallyport.log")
	took := time.Duration(0)
	for _, lines := range []int{100, 100 + peerLines} { // the difference leaves out what starting takes
		if err := os.WriteFile(log, logOf(r, lines), 0o600); err != nil {
			panic(err)
		}
		began := time.Now()
		text, err := exec.Command(program, log, `source=<HOST> reason=(?:wrong-knock|tag|scanner)\b`).CombinedOutput()
		if err != nil {
			fmt.Fprintf(out, "fail2ban-regex: %v\n%s", err, text)
			return
		}
		took = time.Since(began) - took
	}
	fmt.Fprintf(out, "fail2ban, one core: %d of the same events as log lines in %s: %.0f lines a second, for matching alone.\n",
		peerLines, took.Round(time.Millisecond), peerLines/took.Seconds())
}

func logOf(r *rand.Rand, lines int) (text []byte) {
	for n := range lines {
		e := hostileEvent(r, n)
		reason := e.Reason
		if reason == "" {
			reason = event.Scanner
		}
		text = fmt.Appendf(text, "%s level=INFO msg=refusal source=%s reason=%s\n", e.Time.Format("2006-01-02 15:04:05"), e.Source, reason)
	}
	return text
}
