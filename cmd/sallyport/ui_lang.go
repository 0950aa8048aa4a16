//go:build linux && !client_only

package main

import (
	"os"

	"github.com/spf13/cobra"

	"sallyport/internal/inert"
	"sallyport/internal/lang"
)

// langFlag is the language that people are answered in. Without the flag it is
// that of the environment.
type langFlag struct{ chosen lang.Lang }

func languageFlag(cmd *cobra.Command) *langFlag {
	f := new(langFlag)
	cmd.Flags().Var(f, "lang", "answer in this `LANGUAGE`, en or ja (default: that of LC_ALL, LC_MESSAGES or LANG)")
	return f
}

func (f *langFlag) get() lang.Lang {
	if f.chosen == "" {
		return lang.FromEnvironment(os.Getenv)
	}
	return f.chosen
}

func (f *langFlag) Set(s string) (err error) {
	f.chosen, err = lang.Parse(s)
	return err
}

func (f *langFlag) Type() string { return "language" }

func (f *langFlag) String() string { return string(f.chosen) }

// labels are the texts for people that a configuration has for its doors and
// clients.
type labels struct{ doors, clients map[string]string }

// readLabels reads them. Where the configuration cannot be read there are none.
func readLabels(path string) labels {
	l := labels{make(map[string]string), make(map[string]string)}
	cfg, err := loadConfig(path)
	if err != nil {
		return l
	}
	for _, d := range cfg.Doors {
		l.doors[d.Name] = d.Label
	}
	for _, c := range cfg.Clients {
		l.clients[c.Name] = c.Label
	}
	return l
}

func (l labels) door(name string) string   { return labelled(name, l.doors[name]) }
func (l labels) client(name string) string { return labelled(name, l.clients[name]) }

// labelled is a name with its label behind it.
func labelled(name, label string) string {
	if label == "" {
		return inert.Text(name)
	}
	return inert.Text(name) + " (" + inert.Text(label) + ")"
}
