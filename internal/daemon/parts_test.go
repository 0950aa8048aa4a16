//go:build linux

package daemon

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"sallyport/internal/ack"
	"sallyport/internal/capture"
	"sallyport/internal/config"
	"sallyport/internal/daemon/host"
	"sallyport/internal/daemon/hub"
	"sallyport/internal/daemon/pump"
	"sallyport/internal/event"
)

const (
	doorSSH = "[[door]]\nname = \"ssh\"\nports = [\"tcp/22\"]\nsequence = [\"tcp/7000\", \"udp/8000\"]\n"
	doorWeb = "[[door]]\nname = \"web\"\nports = [\"tcp/443\"]\nsequence = [\"tcp/7001\", \"udp/8001\"]\n"
	spaOn   = "[spa]\nport = 40000\n"
)

// Every field of a configuration is claimed by a part: a new section that no
// part carries into force fails here.
func TestEveryFieldIsClaimed(t *testing.T) {
	h := newHouse(t)
	h.configure(doorSSH)
	if err := h.begin(0); err != nil {
		t.Fatal(err)
	}
	defer h.daemon.close()
	var fields, claims []string
	root := reflect.TypeFor[config.Config]()
	for i := range root.NumField() {
		f := root.Field(i)
		if f.Type.Kind() == reflect.Struct {
			for j := range f.Type.NumField() {
				if inner := f.Type.Field(j); inner.IsExported() {
					fields = append(fields, f.Name+"."+inner.Name)
				}
			}
		} else if f.Name != "Path" { // of the main file, which a daemon keeps
			fields = append(fields, f.Name)
		}
	}
	for _, p := range h.daemon.list {
		for _, c := range p.claims {
			claims = append(claims, c)
			if p.prepare == nil && p.fixed == nil && !p.live {
				t.Errorf("part %q claims %s and takes no configuration", p.name, c)
			}
		}
	}
	for _, f := range fields {
		section, _, _ := strings.Cut(f, ".")
		if !slices.Contains(claims, f) && !slices.Contains(claims, section) {
			t.Errorf("no part claims %s: see parts.go", f)
		}
	}
	for _, c := range claims {
		section, field, inner := strings.Cut(c, ".")
		f, ok := root.FieldByName(section)
		if ok && inner {
			of := f.Type
			if of.Kind() == reflect.Slice {
				of = of.Elem()
			}
			_, ok = of.FieldByName(field)
		}
		if !ok {
			t.Errorf("a part claims %s, which is not there", c)
		}
	}
}

// What fails at a first start has closed nothing.
func TestFailedStartClosesNothing(t *testing.T) {
	for name, spoil := range map[string]func(h *house){
		"a server key that is none": func(h *house) { h.write("state/server.key", "garbage\n") },
		"a file where state_dir is": func(h *house) { h.write("state", "") },
		"no raw socket":             func(h *house) { h.system.answers = func() (*ack.Sender, error) { return nil, errors.New("EPERM") } },
		"no capture": func(h *house) {
			h.system.capture = func(capture.Options) (pump.Source, error) { return nil, errors.New("EPERM") }
		},
		"no view of the host": func(h *house) {
			h.system.host = func() (host.Facts, error) { return host.Facts{}, errors.New("no /proc/sys") }
		},
		"a file where the socket is": func(h *house) { h.write("control.sock", "precious") },
	} {
		for _, present := range []bool{false, true} {
			h := newHouse(t)
			h.configure(spaOn + doorSSH)
			spoil(h)
			want := "nothing"
			if present { // left by a daemon before: it stays
				h.kernel.table = &config.Config{Doors: []config.Door{{Name: "old", Ports: ports("tcp/23")}}}
				want = "tcp/23"
			}
			if err := h.begin(0); err == nil {
				t.Errorf("%s: the daemon starts", name)
			}
			if got := h.kernel.closed(); got != want || len(h.kernel.calls) != 0 {
				t.Errorf("%s: closed %s by %v, want %s", name, got, h.kernel.calls, want)
			}
			if _, err := h.daemon.kept.Read(); err != nil {
				t.Error(err)
			}
		}
	}
}

// But a start that fails after a restart of the machine closes what was closed.
func TestFailedStartClosesWhatWasClosed(t *testing.T) {
	h := newHouse(t)
	h.configure(spaOn + "[gate]\ntrusted = [\"192.0.2.0/24\"]\n" + doorSSH)
	h.start()
	h.guards("tcp/22")
	h.end()
	h.kernel.table = nil // the machine is restarted
	h.write("state/server.key", "garbage\n")
	if err := h.begin(0); err == nil {
		t.Fatal("the daemon starts")
	}
	h.guards("tcp/22")
	if c := h.kernel.table; len(c.Clients) != 0 || len(c.Doors[0].Sequence) != 0 || !c.Trusts(alice) {
		t.Errorf("%+v", c)
	}
}

// A reload that fails, wherever it does, changes nothing.
func TestFailedReloadChangesNothing(t *testing.T) {
	h := newHouse(t)
	h.configure(doorSSH)
	h.start()
	for name, spoil := range map[string]func() (mend func()){
		"the firewall": func() func() {
			h.kernel.mu.Lock()
			defer h.kernel.mu.Unlock()
			h.kernel.refuse = errors.New("no buffer space")
			return func() { h.kernel.mu.Lock(); h.kernel.refuse = nil; h.kernel.mu.Unlock() }
		},
		"the server key": func() func() {
			h.write("state/server.key", "garbage\n")
			return func() { os.Remove(filepath.Join(h.dir, "state/server.key")) }
		},
		"a port in use": func() func() {
			h.configure(spaOn + doorSSH + doorWeb + "[metrics]\nlisten = \"/proc/none/socket\"\n")
			return func() { h.configure(spaOn + doorSSH + doorWeb) }
		},
	} {
		h.configure(spaOn + doorSSH + doorWeb)
		mend := spoil()
		if _, err := h.daemon.Reload(t.Context(), reloadNow); err == nil {
			t.Errorf("%s fails, and the reload succeeds", name)
		}
		h.guards("tcp/22")
		if cfg := h.daemon.config.Load(); cfg.SPA.Port != 0 || len(cfg.Doors) != 1 || h.daemon.messages.Load() != nil {
			t.Errorf("%s: %+v is in force", name, cfg)
		}
		if !strings.Contains(h.daemon.statusLine(), "cannot be used") {
			t.Errorf("%s: the unit says %q", name, h.daemon.statusLine())
		}
		mend()
	}
	if _, err := h.daemon.Reload(t.Context(), reloadNow); err != nil {
		t.Fatal(err)
	}
	h.guards("tcp/22 tcp/443")
	if !strings.Contains(h.daemon.statusLine(), "guarding 2 doors") || h.daemon.problems.Get("configuration") != "" {
		t.Errorf("the unit says %q", h.daemon.statusLine())
	}
}

// A reload carries every section into force.
func TestReloadReachesEveryPart(t *testing.T) {
	h := newHouse(t)
	h.configure(doorSSH)
	h.start()
	h.configure(doorSSH + `
[metrics]
listen = "` + h.dir + `/metrics.sock"
[ban]
enabled = true
tries = 7
[[hook]]
on = ["open"]
command = ["/bin/sh", "-c", "echo $SALLYPORT_DOOR >` + h.dir + `/hooked"]
`)
	a, err := h.daemon.Reload(t.Context(), reloadNow)
	if err != nil || len(a.Waiting) != 0 {
		t.Fatalf("%+v %v", a, err)
	}
	if _, err := os.Stat(filepath.Join(h.dir, "metrics.sock")); err != nil {
		t.Errorf("metrics: %v", err)
	}
	if h.tries() != 7 {
		t.Error("bans have the old configuration")
	}
	if _, err := h.daemon.Open(asRoot(t), openFor("ssh")); err != nil {
		t.Fatal(err)
	}
	h.eventually("the hook", func() bool {
		text, _ := os.ReadFile(filepath.Join(h.dir, "hooked"))
		return string(text) == "ssh\n"
	})
	h.configure(doorSSH)
	if _, err := h.daemon.Reload(t.Context(), reloadNow); err != nil {
		t.Fatal(err)
	}
	h.eventually("the listener of metrics is gone", func() bool {
		_, err := os.Stat(filepath.Join(h.dir, "metrics.sock"))
		return errors.Is(err, os.ErrNotExist)
	})
}

// What needs a restart is named, and the rest is in force.
func TestWhatNeedsARestartIsNamed(t *testing.T) {
	h := newHouse(t)
	h.configure(spaOn + doorSSH)
	h.start()
	key := h.daemon.keys.Current().Public().Fingerprint()
	h.write("sallyport.toml", "[daemon]\nstate_dir = \""+h.dir+"/other\"\nsocket = \""+h.dir+"/other.sock\"\n"+spaOn+doorSSH+doorWeb)
	a, err := h.daemon.Reload(t.Context(), reloadNow)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(a.Waiting, ", "); got != "state_dir, socket, the journal's path" {
		t.Errorf("waiting: %s", got)
	}
	h.guards("tcp/22 tcp/443")
	if cfg := h.daemon.config.Load(); cfg.Daemon.StateDir != h.dir+"/state" || cfg.Journal.Path != h.dir+"/state/journal.db" {
		t.Errorf("%+v %+v", cfg.Daemon, cfg.Journal)
	}
	if now := h.daemon.keys.Current().Public().Fingerprint(); now != key {
		t.Errorf("the server key is %s, it was %s", now, key)
	}
	if !strings.Contains(h.daemon.problems.Get("restart"), "systemctl restart") {
		t.Error("the status does not name it")
	}
	h.configure(spaOn + doorSSH + doorWeb)
	if a, err := h.daemon.Reload(t.Context(), reloadNow); err != nil || len(a.Waiting) != 0 || h.daemon.problems.Get("restart") != "" {
		t.Errorf("%+v %v", a, err)
	}
}

// Whatever the daemon holds that hears events is in the list as such: a new sink that
// is not hears nothing, and nothing else would say so.
func TestEverySinkHears(t *testing.T) {
	h := newHouse(t)
	h.configure(doorSSH)
	if err := h.begin(0); err != nil {
		t.Fatal(err)
	}
	defer h.daemon.close()
	var hears []string
	for _, p := range h.daemon.list {
		if p.hear != nil {
			hears = append(hears, runtime.FuncForPC(reflect.ValueOf(p.hear).Pointer()).Name())
		}
	}
	sink, sinks := reflect.TypeFor[func(event.Event)](), 0
	for f := range reflect.TypeFor[Daemon]().Fields() {
		of := f.Type
		if of.Kind() == reflect.Struct {
			of = reflect.PointerTo(of)
		}
		if of == reflect.TypeFor[*hub.Hub]() {
			continue // what passes events on
		}
		for _, name := range []string{"Put", "Heard"} {
			m, ok := of.MethodByName(name)
			if !ok || m.Type.NumIn() != 2 || m.Type.In(1) != sink.In(0) {
				continue
			}
			sinks++
			method := fmt.Sprintf("%s.(*%s).%s-fm", of.Elem().PkgPath(), of.Elem().Name(), name)
			if !slices.Contains(hears, method) {
				t.Errorf("%s of the daemon's %s is in no part's hear: see parts.go", name, f.Name)
			}
		}
	}
	if sinks < 5 {
		t.Errorf("%d sinks are found", sinks)
	}
}

// Whatever the daemon holds that has to run is run: the name of each Run is in the
// daemon's own files.
func TestEverythingRuns(t *testing.T) {
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text.Write(source)
	}
	runs := 0
	for f := range reflect.TypeFor[Daemon]().Fields() {
		of := f.Type
		if of.Kind() == reflect.Struct {
			of = reflect.PointerTo(of)
		}
		if m, ok := of.MethodByName("Run"); !ok || of.Kind() != reflect.Interface && m.Type.NumIn() < 2 {
			continue
		}
		runs++
		if !regexp.MustCompile(`\bd\.` + f.Name + `\.Run\b`).MatchString(text.String()) {
			t.Errorf("nothing runs the daemon's %s: see parts.go", f.Name)
		}
	}
	if runs < 8 {
		t.Errorf("%d things to run are found", runs)
	}
}
