package config

import (
	"path"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2/unstable"
)

// Hook is a command that is run when something has happened.
type Hook struct {
	On       []Occasion    // at least one
	Doors    []string      // names of existing doors; empty: all. Findings of no door are of all
	Command  []string      // an absolute path and arguments; no shell is involved
	Timeout  time.Duration // after which the command is killed; 1s to 10m; default 10s
	Exercise bool          // run it for findings of an exercise, too
	Place    Place
}

// Occasion says when a hook is run.
type Occasion string

// The occasions of hooks.
const (
	OnOpen    Occasion = "open"    // a grant has come into force
	OnClose   Occasion = "close"   // a grant has ended, by itself or early
	OnFinding Occasion = "finding" // something worth a look was found
	OnAsk     Occasion = "ask"     // someone asks an operator to be let in
)

const (
	maxHooks   = 100
	maxCommand = 64   // words
	maxWord    = 4096 // bytes
)

func (l *loader) readHook(t *table) {
	s := l.section("hook", t)
	h := Hook{
		Place:    t.place,
		On:       readOccasions(s),
		Doors:    list(s, "doors", `names of doors in quotes, such as ["ssh"]`, once(asName)),
		Command:  readCommand(s),
		Timeout:  s.duration("timeout", 10*time.Second, time.Second, 10*time.Minute),
		Exercise: s.boolean("exercise", false),
	}
	s.finish()
	l.config.Hooks = append(l.config.Hooks, h)
	l.hooks = append(l.hooks, s)
}

func asName(text string) (string, error) { return text, nil }

func readOccasions(s *section) []Occasion {
	const want = `"open", "close", "finding" or "ask" in a list, such as ["open", "close"]`
	v := s.get("on")
	if v == nil || v.kind != unstable.Array || len(v.items) == 0 {
		s.errorf(s.at("on"), "on: want %s", want)
		return nil
	}
	var all []Occasion
	for i := range v.items {
		o := Occasion(v.items[i].text)
		if o != OnOpen && o != OnClose && o != OnFinding && o != OnAsk || slices.Contains(all, o) {
			s.bad("on", &v.items[i], want)
			return nil
		}
		all = append(all, o)
	}
	return all
}

func readCommand(s *section) []string {
	const want = `a list of words that begins with an absolute path, such as ["/usr/local/bin/tell", "--quiet"]`
	v := s.get("command")
	if v == nil || v.kind != unstable.Array || len(v.items) == 0 || len(v.items) > maxCommand {
		s.errorf(s.at("command"), "command: want %s", want)
		return nil
	}
	var words []string
	for i := range v.items {
		item := &v.items[i]
		if item.kind != unstable.String || len(item.text) > maxWord || strings.ContainsRune(item.text, 0) || i == 0 && !path.IsAbs(item.text) {
			s.bad("command", item, want)
			return nil
		}
		words = append(words, item.text)
	}
	return words
}

// checkHooks checks that the doors of hooks exist.
func (l *loader) checkHooks() {
	for i, s := range l.hooks {
		for _, name := range l.config.Hooks[i].Doors {
			if l.config.Door(name) == nil {
				s.errorf(s.at("doors"), "doors: there is no door %q", name)
			}
		}
	}
}
