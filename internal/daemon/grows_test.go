//go:build linux

package daemon

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"sallyport/internal/event"
	"sallyport/internal/lab/labtest"
)

// quietly forgets what the house itself has written down.
func (h *house) quietly() {
	h.status.mu.Lock()
	defer h.status.mu.Unlock()
	h.status.text.Reset()
	h.kernel.mu.Lock()
	defer h.kernel.mu.Unlock()
	h.kernel.calls, h.kernel.filters = nil, nil
}

// held counts what a process holds, once nothing is left to collect.
func (h *house) held() (objects, goroutines, descriptors int) {
	h.t.Helper()
	h.eventually("the journal has written everything", func() bool { return h.daemon.journal.Stats().Queued == 0 })
	var m runtime.MemStats
	for range 3 { // finalizers, and what sync.Pool keeps for one more turn
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		h.t.Fatal(err)
	}
	return int(m.HeapObjects), runtime.NumGoroutine(), len(list)
}

// Nothing of a reload stays when the next one has come: no object of the heap, no
// goroutine, no descriptor.
func TestReloadsLeaveNothing(t *testing.T) {
	h := newHouse(t)
	each := []string{
		doorSSH,
		spaOn + doorSSH + doorWeb + client("alice"),
		"[gate]\npolicy = \"all\"\nclosed = \"reject\"\n" + doorSSH + doorWeb,
		spaOn + doorSSH + client("alice") + "rotating = \"" + strings.Repeat("A", 32) + "\"\n" + client("bob"),
	}
	h.configure(each[0])
	h.start()
	reload := func(times int) {
		t.Helper()
		for n := range times {
			h.configure(each[n%len(each)])
			if _, err := h.daemon.Reload(t.Context(), reloadNow); err != nil {
				t.Fatal(err)
			}
			h.quietly()
		}
	}
	times := labtest.Rounds(24, 250)
	for n := range 5000 { // fills what is bounded: the latest events, each with a text of its own
		h.daemon.feed.Put(event.Event{Time: time.Now(), Kind: event.KindReload, Detail: "as long as others are " + strconv.Itoa(n)})
	}
	reload(times)
	objects, goroutines, descriptors := h.held()
	reload(times)
	again, goroutinesAgain, descriptorsAgain := h.held()
	t.Logf("after %d reloads %d objects, %d goroutines, %d descriptors; after %d: %d, %d, %d", times, objects, goroutines, descriptors, 2*times, again, goroutinesAgain, descriptorsAgain)
	if more := again - objects; more > 100+times/2 { // what goes to and fro is some dozens
		t.Errorf("%d reloads have left %d objects", times, more)
	}
	if goroutinesAgain > goroutines || descriptorsAgain > descriptors {
		t.Errorf("%d goroutines and %d descriptors, then %d and %d", goroutines, descriptors, goroutinesAgain, descriptorsAgain)
	}
}
