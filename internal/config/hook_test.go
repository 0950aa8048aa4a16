package config

import (
	"reflect"
	"testing"
	"time"
)

func TestHooks(t *testing.T) {
	cfg := loaded(t, "sallyport.toml", doors(aDoor)+`
[[hook]]
on = ["open", "finding"]
doors = ["ssh"]
command = ["/bin/tell", "", "--to=admin now"]
timeout = "2s"
[[hook]]
on = ["close"]
command = ["/bin/tell"]
exercise = true
`)
	want := []Hook{
		{On: []Occasion{OnOpen, OnFinding}, Doors: []string{"ssh"}, Command: []string{"/bin/tell", "", "--to=admin now"}, Timeout: 2 * time.Second, Place: cfg.Hooks[0].Place},
		{On: []Occasion{OnClose}, Command: []string{"/bin/tell"}, Timeout: 10 * time.Second, Exercise: true, Place: cfg.Hooks[1].Place},
	}
	if !reflect.DeepEqual(cfg.Hooks, want) {
		t.Errorf("%+v", cfg.Hooks)
	}
}

func TestHooksAreRefused(t *testing.T) {
	const (
		wantOn      = `want "open", "close", "finding" or "ask" in a list, such as ["open", "close"]`
		wantCommand = `want a list of words that begins with an absolute path, such as ["/usr/local/bin/tell", "--quiet"]`
	)
	for _, c := range []struct{ toml, want string }{
		{"hook=[{command=['/x']}]", `:2: hook: on: ` + wantOn},
		{"hook=[{on=[], command=['/x']}]", `:2: hook: on: ` + wantOn},
		{"hook=[{on=['opened'], command=['/x']}]", `:2: hook: on = "opened": ` + wantOn},
		{"hook=[{on=['open','open'], command=['/x']}]", `:2: hook: on = "open": ` + wantOn},
		{"hook=[{on=['open']}]", `:2: hook: command: ` + wantCommand},
		{"hook=[{on=['open'], command='/bin/tell now'}]", `:2: hook: command: ` + wantCommand},
		{"hook=[{on=['open'], command=['tell']}]", `:2: hook: command = "tell": ` + wantCommand},
		{"hook=[{on=['open'], command=['/x', 7]}]", `:2: hook: command = 7: ` + wantCommand},
		{"hook=[{on=['open'], command=['/x', \"\\u0000\"]}]", `:2: hook: command = "\x00": ` + wantCommand},
		{"hook=[{on=['open'], command=['/x'], doors=['web']}]", `:2: hook: doors: there is no door "web"`},
		{"hook=[{on=['open'], command=['/x'], timeout='1h'}]", `:2: hook: timeout = "1h": want 1s to 10m`},
		{"hook=[{on=['open'], command=['/x'], shell=true}]", `:2: hook: unknown key "shell": want command, doors, exercise, on or timeout`},
	} {
		refuses(t, tree("sallyport.toml", doors(aDoor)+"\n"+c.toml), main+c.want)
	}
}
