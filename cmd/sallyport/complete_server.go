//go:build !client_only

package main

import (
	"github.com/spf13/cobra"

	"sallyport/internal/config"
	"sallyport/internal/detect"
	"sallyport/internal/event"
	"sallyport/internal/key"
	"sallyport/internal/lint"
	"sallyport/internal/report"
)

// serverArguments are the arguments of commands of the server.
var serverArguments = map[string]names{
	"sallyport open":           onlyFirst(doorNames),
	"sallyport door rotate":    onlyFirst(doorNames),
	"sallyport client rotate":  onlyFirst(clientNames),
	"sallyport client remove":  onlyFirst(clientNames),
	"sallyport client profile": onlyFirst(clientNames),
	"sallyport why":            onlyFirst(aboutNames),
	"sallyport door remove":    onlyFirst(doorNames),
	"sallyport client label":   onlyFirst(clientNames),
}

// flagNames are the flags that take names, wherever they are.
var flagNames = map[string]names{
	"door":   doorNames,
	"client": clientNames,
	"source": fixed(thisSession),
	"suite":  fixed(key.Hybrid.String(), key.X25519.String()),
	"format": fixed("ocsf", "ecs"),
}

// offerServer offers what flags of commands of the server take.
func offerServer(cmd *cobra.Command, offer func(string, names)) {
	if cmd.Flags().Lookup("config") != nil {
		for flag, n := range flagNames {
			offer(flag, n)
		}
	}
	switch cmd.CommandPath() {
	case "sallyport init":
		offer("door", fixed("ssh=tcp/22"))
		offer("suite", flagNames["suite"])
	case "sallyport check":
		offer("severity", fixed(lint.Error, lint.Warning, lint.Info))
	case "sallyport events":
		offer("kind", fixed(event.Kinds()...))
		offer("reason", fixed(report.Reasons()...))
	case "sallyport findings":
		offer("rule", fixed(detect.Rules()...))
		offer("severity", fixed(event.Severities()...))
	}
}

func doorNames(cmd *cobra.Command, _ []string) (list []string) {
	if cfg := configOf(cmd); cfg != nil {
		for _, d := range cfg.Doors {
			list = append(list, d.Name)
		}
	}
	return list
}

func clientNames(cmd *cobra.Command, _ []string) (list []string) {
	if cfg := configOf(cmd); cfg != nil {
		for _, c := range cfg.Clients {
			list = append(list, c.Name)
		}
	}
	return list
}

// configOf is the configuration that a command line names, if it is good.
func configOf(cmd *cobra.Command) *config.Config {
	path := cmd.Flags().Lookup("config")
	if path == nil {
		return nil
	}
	cfg, err := loadKnown(path.Value.String())
	if err != nil {
		return nil
	}
	return cfg
}

// knownNames are the clients and doors that one can ask about.
func knownNames(cfg *config.Config) (list []string) {
	for _, c := range cfg.Clients {
		list = append(list, c.Name)
	}
	for _, d := range cfg.Doors {
		list = append(list, d.Name)
	}
	for _, g := range cfg.Groups {
		list = append(list, g.Name)
	}
	return list
}

// aboutNames are what one can ask about.
func aboutNames(cmd *cobra.Command, _ []string) []string {
	cfg := configOf(cmd)
	if cfg == nil {
		return nil
	}
	return append(knownNames(cfg), thisSession)
}
