//go:build linux

package daemon

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/ack"
	"sallyport/internal/capture"
	"sallyport/internal/config"
	"sallyport/internal/daemon/ban"
	"sallyport/internal/daemon/host"
	"sallyport/internal/daemon/hub"
	"sallyport/internal/daemon/pump"
	"sallyport/internal/event"
	"sallyport/internal/firewall"
	"sallyport/internal/moat"
)

// heard takes out what has been put in.
func heard(h *hub.Hub) (list []event.Event) {
	h.Flush([]hub.Sink{func(e event.Event) { list = append(list, e) }})
	return list
}

// fakeKernel is a firewall, and a capture to which nothing arrives. It outlives
// daemons, as the kernel does.
type fakeKernel struct {
	still

	mu      sync.Mutex
	table   *config.Config // nil: there is none
	before  *config.Config // during a trial: what it goes back to
	filters []capture.Filter
	grants  map[string]event.Grant
	banned  map[netip.Prefix]time.Time
	changed chan struct{} // another program has changed the table
	refuse  error         // what Apply and Try answer
	calls   []string
}

func newFakeKernel() *fakeKernel {
	return &fakeKernel{still: still{make(chan struct{}, 1)}, grants: make(map[string]event.Grant), banned: make(map[netip.Prefix]time.Time), changed: make(chan struct{}, 1)}
}

func (k *fakeKernel) do(call string, f func()) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.calls = append(k.calls, call)
	if k.refuse != nil {
		return k.refuse
	}
	f()
	return nil
}

func (k *fakeKernel) Apply(cfg *config.Config) error {
	return k.do("apply", func() { k.table, k.before = cfg, nil })
}

func (k *fakeKernel) Try(old, cfg *config.Config, _ time.Duration) error {
	return k.do("try", func() { k.table, k.before = cfg, old })
}

func (k *fakeKernel) Present() (bool, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.table != nil, nil
}

func (k *fakeKernel) Down() error { return k.do("down", func() { k.table = nil }) }

func (k *fakeKernel) Grant(g event.Grant, _ time.Time) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.grants[g.Door+" "+g.Source.String()] = g
	return nil
}

func (k *fakeKernel) Renew(g event.Grant, now time.Time) (bool, error) { return true, k.Grant(g, now) }

func (k *fakeKernel) Revoke(g event.Grant) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.grants, g.Door+" "+g.Source.String())
	return nil
}

func (k *fakeKernel) GrantAll(list []event.Grant, now time.Time) (err error) {
	for _, g := range list {
		err = errors.Join(err, k.Grant(g, now))
	}
	return err
}

func (k *fakeKernel) Grants(time.Time) ([]event.Grant, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Collect(maps.Values(k.grants)), nil
}

func (k *fakeKernel) Ban(a netip.Prefix, until, _ time.Time) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.banned[a] = until
	return nil
}

func (k *fakeKernel) Unban(a netip.Prefix) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.banned, a)
	return nil
}

func (k *fakeKernel) Bans(time.Time) (list []event.Ban, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for a, until := range k.banned {
		list = append(list, event.Ban{Source: a, Until: until})
	}
	return list, nil
}

func (k *fakeKernel) Counters() (firewall.Counters, error) { return firewall.Counters{}, nil }

func (k *fakeKernel) Watch(ctx context.Context, changed func()) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-k.changed:
			changed()
		}
	}
}

func (k *fakeKernel) Close() error { return nil }

func (k *fakeKernel) Prepare(capture.Filter) error { return nil }

func (k *fakeKernel) SetFilter(f capture.Filter) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.filters = append(k.filters, f)
	return nil
}

// closed lists the ports that are closed, of all doors.
func (k *fakeKernel) closed() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.table == nil {
		return "nothing"
	}
	var list []string
	for _, d := range k.table.Doors {
		for _, p := range d.Ports {
			list = append(list, p.String())
		}
	}
	return strings.Join(list, " ")
}

// house is a machine with a configuration, and a daemon now and then.
type house struct {
	t      *testing.T
	kernel *fakeKernel
	system system
	dir    string // of all files
	main   string // the configuration
	status *lines
	daemon *Daemon
	stop   func() error

	accused int // sources, by tries
}

// lines gathers what is written to it.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func newHouse(t *testing.T) *house {
	dir := t.TempDir()
	h := &house{t: t, kernel: newFakeKernel(), dir: dir, main: filepath.Join(dir, "sallyport.toml"), status: &lines{}}
	h.system = system{
		firewall: func(*slog.Logger, firewall.Options) (table, error) { return h.kernel, nil },
		capture:  func(capture.Options) (pump.Source, error) { return h.kernel, nil },
		answers:  func() (*ack.Sender, error) { return nil, nil },
		moat:     func(*slog.Logger) (*moat.Moat, error) { return nil, errors.New("there is none here") },
		host:     func() (host.Facts, error) { return host.Facts{Ephemeral: [2]uint16{32768, 60999}}, nil },
	}
	return h
}

// configure writes the main file, behind where things are kept.
func (h *house) configure(text string) {
	h.t.Helper()
	h.write("sallyport.toml", "[daemon]\nstate_dir = \""+h.dir+"/state\"\nsocket = \""+h.dir+"/control.sock\"\n"+text)
}

func (h *house) write(name, text string) {
	h.t.Helper()
	path := filepath.Join(h.dir, name)
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		err = os.WriteFile(path, []byte(text), 0o600)
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

// getenv says where the copy lies: not in state_dir, which depends on the configuration.
func (h *house) getenv(name string) string {
	if name == "STATE_DIRECTORY" {
		return filepath.Join(h.dir, "kept")
	}
	return ""
}

// begin prepares a daemon that does not run yet.
func (h *house) begin(confirm time.Duration) error {
	h.daemon = newDaemon(Options{ConfigPath: h.main, Version: "test", Log: slog.New(slog.NewTextHandler(h.status, nil)), Getenv: h.getenv, Confirm: confirm}, h.system)
	return h.daemon.start(h.t.Context())
}

// start runs a daemon until end is called, or the test is over.
func (h *house) start() {
	h.t.Helper()
	if err := h.begin(0); err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	d := h.daemon
	go func() {
		err := d.run(ctx)
		d.close() // writes what is left: before the folder is removed
		done <- err
	}()
	h.stop = sync.OnceValue(func() error { cancel(); return <-done })
	h.t.Cleanup(func() { _ = h.stop() })
}

func (h *house) end() {
	h.t.Helper()
	if err := h.stop(); err != nil {
		h.t.Fatal(err)
	}
}

// eventually polls a condition.
func (h *house) eventually(what string, ok func() bool) {
	h.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			h.t.Fatalf("never happened: %s\n%s", what, h.status)
		}
	}
}

func (h *house) guards(want string) {
	h.t.Helper()
	if got := h.kernel.closed(); got != want {
		h.t.Errorf("closed: %s, want %s\n%s", got, want, h.status)
	}
}

// client is the table of a client with a key of its own.
func client(name string) string {
	seed := sha256.Sum256([]byte(name))
	public, err := ssh.NewPublicKey(ed25519.NewKeyFromSeed(seed[:]).Public())
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf("[[client]]\nname = %q\ndoors = [\"ssh\"]\nkey = %q\n", name, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(public))))
}

// tries is how much evidence the bans want before they keep a source out, found
// out with one that has done nothing so far.
func (h *house) tries() int {
	b, now := h.daemon.bans, time.Now()
	h.accused++
	source := netip.AddrFrom4([4]byte{198, 51, 100, byte(h.accused)})
	for n := 1; n <= 100; n++ {
		b.Accuse(now, source, ban.Evidence{What: "test"})
		if b.Has(source, now) {
			return n
		}
	}
	return 0
}
