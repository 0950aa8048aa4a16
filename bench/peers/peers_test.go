//go:build linux

package peers

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sallyport/internal/config"
)

func TestConfigurationsLoad(t *testing.T) {
	for _, s := range []Sallyport{{}, {Policy: "doors"}, {Doors: 1}, {Doors: 1000}, {Doors: 10_000}} {
		dir := t.TempDir()
		if err := (Site{Dir: dir}).write(s.files(dir)); err != nil {
			t.Fatal(err)
		}
		cfg, err := config.Load(os.DirFS("/"), filepath.Join(dir, "sallyport.toml"))
		if err != nil {
			t.Errorf("%+v: %v", s, err)
			continue
		}
		if want := max(s.Doors, 1); len(cfg.Doors) != want {
			t.Errorf("%+v: %d doors, want %d", s, len(cfg.Doors), want)
		}
		last := cfg.Doors[len(cfg.Doors)-1]
		if last.Ports[0].Number != Door || len(last.Sequence) != len(Sequence) {
			t.Errorf("%+v: the last door is %+v", s, last)
		}
	}
}

func TestConfigurationsWithSPALoad(t *testing.T) {
	dir := t.TempDir()
	client, err := newProver()
	if err != nil {
		t.Fatal(err)
	}
	files, err := SPA{Clients: 7}.files(dir, []prover{client})
	if err != nil {
		t.Fatal(err)
	}
	if err := (Site{Dir: dir}).write(files); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(os.DirFS("/"), filepath.Join(dir, "sallyport.toml"))
	if err != nil {
		t.Fatal(err)
	}
	if cfg.SPA.Port != spaPort || len(cfg.Doors) != 1 || cfg.Doors[0].Ports[0].Number != Door || len(cfg.Clients) != 7 {
		t.Errorf("got %+v", cfg)
	}
}

func TestNamesAreUnique(t *testing.T) {
	var names []string
	for _, s := range append(All("sallyport"), Nobody{}) {
		if slices.Contains(names, s.Name()) {
			t.Errorf("two systems are called %q", s.Name())
		}
		names = append(names, s.Name())
	}
}

func TestMissingNamesThePrograms(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if got := Missing(Bare{}); got != "" {
		t.Errorf("the bare loop needs nothing, got %q", got)
	}
	got := Missing(Fwknopd{})
	if !strings.HasPrefix(got, "not installed: ") || !strings.Contains(got, "fwknopd, fwknop") {
		t.Errorf("got %q", got)
	}
}
