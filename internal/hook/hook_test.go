//go:build unix

package hook

import (
	"context"
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sallyport/internal/config"
	"sallyport/internal/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 10 * time.Second

var grant = event.Event{
	Time: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Kind: event.KindGrant, Door: "ssh", Client: "alice",
	Source: netip.MustParseAddr("192.0.2.10"), Reason: event.BySPA, Detail: "for 30s",
}

// running runs hooks until the test ends.
func running(t *testing.T, hooks ...config.Hook) (*Runner, chan event.Event) {
	t.Helper()
	failures := make(chan event.Event, 100)
	r := New(func(e event.Event) { failures <- e })
	for i := range hooks {
		if hooks[i].Timeout == 0 {
			hooks[i].Timeout = patience
		}
		if hooks[i].On == nil {
			hooks[i].On = []config.Occasion{config.OnOpen}
		}
	}
	r.Set(hooks)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return r, failures
}

func shell(script string) []string { return []string{"/bin/sh", "-c", script} }

// content waits until a file is there.
func content(t *testing.T, path string) string {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if text, err := os.ReadFile(path); err == nil {
			return string(text)
		}
	}
	t.Fatalf("%s does not come", path)
	return ""
}

func fails(t *testing.T, failures chan event.Event, want string) {
	t.Helper()
	select {
	case e := <-failures:
		if !strings.Contains(e.Detail, want) {
			t.Errorf("told %+v, want %q", e, want)
		}
	case <-time.After(patience):
		t.Fatalf("nothing is told, want %q", want)
	}
}

func TestEventReachesTheCommand(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	r, failures := running(t, config.Hook{Command: shell("{ cat; env; } >" + out + ".new && mv " + out + ".new " + out)})
	r.Put(grant)
	text := content(t, out)
	line, env, _ := strings.Cut(text, "\n")
	var got event.Event
	if err := json.Unmarshal([]byte(line), &got); err != nil || got != grant {
		t.Errorf("%s: %+v, %v", line, got, err)
	}
	for _, want := range []string{"KIND=grant", "DOOR=ssh", "CLIENT=alice", "SOURCE=192.0.2.10", "REASON=spa", "DETAIL=for 30s", "TIME=2026-03-01T12:00:00Z"} {
		if !strings.Contains(env, "SALLYPORT_"+want+"\n") {
			t.Errorf("no %s in\n%s", want, env)
		}
	}
	if strings.Contains(env, "HOME=") {
		t.Errorf("the daemon's environment is handed on:\n%s", env)
	}
	if len(failures) > 0 {
		t.Errorf("%+v", <-failures)
	}
}

func TestHostileTextIsHarmless(t *testing.T) {
	e := grant
	e.Client = "a\x00b\n$(reboot)\x1b[2J\u202e"
	e.Detail = strings.Repeat("x\n", 10) + "=`id`"
	out := filepath.Join(t.TempDir(), "out")
	r, _ := running(t, config.Hook{Command: shell(`printf '%s|%s' "$SALLYPORT_CLIENT" "$SALLYPORT_DETAIL" >` + out + ".new && mv " + out + ".new " + out)})
	r.Put(e)
	if got, want := content(t, out), "ab$(reboot)[2J|xxxxxxxxxx=`id`"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestWhichHooksRun(t *testing.T) {
	finding := event.Event{Kind: event.KindFinding}
	for name, c := range map[string]struct {
		hook  config.Hook
		event event.Event
		runs  bool
	}{
		"open":                       {config.Hook{On: []config.Occasion{config.OnOpen}}, grant, true},
		"another door":               {config.Hook{On: []config.Occasion{config.OnOpen}, Doors: []string{"web"}}, grant, false},
		"its door":                   {config.Hook{On: []config.Occasion{config.OnOpen}, Doors: []string{"web", "ssh"}}, grant, true},
		"close is not open":          {config.Hook{On: []config.Occasion{config.OnClose}}, grant, false},
		"expiry":                     {config.Hook{On: []config.Occasion{config.OnClose}}, event.Event{Kind: event.KindExpiry}, true},
		"revocation":                 {config.Hook{On: []config.Occasion{config.OnClose}}, event.Event{Kind: event.KindRevocation}, true},
		"a finding about no door":    {config.Hook{On: []config.Occasion{config.OnFinding}, Doors: []string{"web"}}, finding, true},
		"a refusal is no occasion":   {config.Hook{On: []config.Occasion{config.OnOpen, config.OnClose, config.OnFinding}}, event.Event{Kind: event.KindRefusal}, false},
		"a finding, but not for it":  {config.Hook{On: []config.Occasion{config.OnOpen}}, finding, false},
		"an event of no known kind":  {config.Hook{On: []config.Occasion{config.OnOpen}}, event.Event{Kind: ""}, false},
		"a failure is no occasion":   {config.Hook{On: []config.Occasion{config.OnFinding}}, event.Event{Kind: event.KindFailure}, false},
		"a reload is not an opening": {config.Hook{On: []config.Occasion{config.OnOpen}}, event.Event{Kind: event.KindReload}, false},
	} {
		if Concerns(c.hook, c.event) != c.runs {
			t.Errorf("%s: want %t", name, c.runs)
		}
	}
}

func TestFailuresAreTold(t *testing.T) {
	for name, c := range map[string]struct {
		command []string
		want    string
	}{
		"missing":            {[]string{"/nonexistent/tell"}, `"/nonexistent/tell": `},
		"not executable":     {[]string{"/etc/passwd"}, "permission denied"},
		"fails":              {shell("echo out of paper >&2; exit 3"), "exit status 3: out of paper"},
		"killed":             {shell("kill -9 $$"), "killed"},
		"floods and fails":   {shell("yes | head -c 1000000; echo the end; exit 1"), "the end"},
		"says hostile bytes": {shell(`printf '\377\033[2J\nx'; exit 1`), "exit status 1"},
	} {
		t.Run(name, func(t *testing.T) {
			r, failures := running(t, config.Hook{Command: c.command})
			r.Put(grant)
			fails(t, failures, c.want)
		})
	}
}

func TestSuccessIsNotTold(t *testing.T) {
	done := filepath.Join(t.TempDir(), "done")
	large := grant
	large.Detail = strings.Repeat("x", 1<<20) // more than a pipe holds: the command does not read it
	r, failures := running(t, config.Hook{Command: shell("mkdir " + done + " && exit 0")})
	r.Put(large)
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if _, err := os.Stat(done); err == nil {
			break
		}
	}
	r.Put(event.Event{Kind: event.KindGrant}) // fails: the folder is there
	fails(t, failures, "File exists")
	if len(failures) > 0 {
		t.Errorf("%+v", <-failures)
	}
}

// A hook that hangs is killed with what it has started, and holds up no other.
func TestHookThatHangs(t *testing.T) {
	dir := t.TempDir()
	hangs := config.Hook{Command: shell("sleep 1000 & echo $! >" + dir + "/pid.new; mv " + dir + "/pid.new " + dir + "/pid; wait"), Timeout: time.Second}
	quick := config.Hook{Command: shell("mkdir " + dir + "/quick")}
	r, failures := running(t, hangs, quick)
	r.Put(grant)
	pid, err := strconv.Atoi(strings.TrimSpace(content(t, dir+"/pid")))
	if err != nil {
		t.Fatal(err)
	}
	fails(t, failures, `killed "/bin/sh" after 1s`)
	if _, err := os.Stat(dir + "/quick"); err != nil {
		t.Error("the other hook has waited")
	}
	for deadline := time.Now().Add(patience); syscall.Kill(pid, 0) == nil && !zombie(pid); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("what the hook has started is still there")
		}
	}
}

// zombie reports whether a process has ended and nobody has waited for it: its
// parent is gone, and there may be no init here.
func zombie(pid int) bool {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && strings.Contains(string(text), ") Z ")
}

// Nothing waits for hooks: what is too much is dropped and told.
func TestTooManyEvents(t *testing.T) {
	r, failures := running(t, config.Hook{Command: shell("sleep 1000"), Timeout: time.Second})
	for range waiting + workers + 7 {
		r.Put(grant)
	}
	for {
		select {
		case e := <-failures:
			if e.Kind == event.KindOverload {
				return
			}
		case <-time.After(patience):
			t.Fatal("the loss is not told")
		}
	}
}

// The hook of a grant waits for no hook of a finding, however many there are and
// however long they take.
func TestFindingsDelayNoGrant(t *testing.T) {
	done, stuck := filepath.Join(t.TempDir(), "done"), filepath.Join(t.TempDir(), "stuck")
	r, _ := running(t,
		config.Hook{On: []config.Occasion{config.OnFinding}, Command: shell("while ! [ -e " + stuck + " ]; do sleep 0.05; done")},
		config.Hook{On: []config.Occasion{config.OnOpen}, Command: shell("echo yes >" + done)})
	for range 2 * waiting {
		r.Put(event.Event{Kind: event.KindFinding})
	}
	r.Put(grant)
	content(t, done)
	if err := os.WriteFile(stuck, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}
