package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/client"
)

// names returns what may stand at a place of a command line. What cannot be
// found out, for instance for want of rights, is not offered.
type names func(cmd *cobra.Command, before []string) []string

// argumentNames are the arguments of commands that are names of something.
var argumentNames = map[string]names{
	"sallyport knock":  profileThenDoors,
	"sallyport close":  profileThenDoors,
	"sallyport ask":    profileThenDoors,
	"sallyport watch":  profileThenDoors,
	"sallyport run":    onlyFirst(profileNames),
	"sallyport ssh":    onlyFirst(profileNames),
	"sallyport proxy":  onlyFirst(profileNames),
	"sallyport doctor": onlyFirst(profileNames),
	"sallyport remove": onlyFirst(profileNames),
}

// argumentFiles are the commands whose argument is a file.
var argumentFiles = []string{"sallyport add", "sallyport import knockd", "sallyport import fwknop", "sallyport import sequences"}

// flagFiles are the flags that take a file.
var flagFiles = []string{"key", "file", "html", "journal", "out", "identity"}

// addCompletions tells shells what may stand where.
func addCompletions(cmd *cobra.Command) {
	cmd.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	path := cmd.CommandPath()
	switch {
	case cmd.ValidArgsFunction != nil: // it has its own
	case argumentNames[path] != nil:
		cmd.ValidArgsFunction = argumentNames[path].complete
	case serverArguments[path] != nil:
		cmd.ValidArgsFunction = serverArguments[path].complete
	case slices.Contains(argumentFiles, path):
		cmd.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveDefault)
	}
	offer := func(flag string, n names) {
		if cmd.Flags().Lookup(flag) != nil {
			_ = cmd.RegisterFlagCompletionFunc(flag, n.complete) // fails only for a flag that is not there
		}
	}
	offerServer(cmd, offer)
	for _, flag := range flagFiles {
		if cmd.Flags().Lookup(flag) != nil {
			_ = cmd.RegisterFlagCompletionFunc(flag, anyFile) // as above
		}
	}
	switch path {
	case "sallyport proxy", "sallyport ssh", "sallyport run":
		offer("door", func(_ *cobra.Command, before []string) []string { return doorsOf(before) })
	}
	for _, c := range cmd.Commands() {
		addCompletions(c)
	}
}

func (n names) complete(cmd *cobra.Command, before []string, begin string) ([]cobra.Completion, cobra.ShellCompDirective) {
	list := slices.DeleteFunc(n(cmd, before), func(name string) bool {
		return !strings.HasPrefix(name, begin) || slices.Contains(before, name)
	})
	return list, cobra.ShellCompDirectiveNoFileComp
}

func anyFile(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveDefault
}

func fixed[T ~string](list ...T) names {
	texts := make([]string, len(list))
	for i, t := range list {
		texts[i] = string(t)
	}
	return func(*cobra.Command, []string) []string { return slices.Clone(texts) }
}

func onlyFirst(n names) names {
	return func(cmd *cobra.Command, before []string) []string {
		if len(before) > 0 {
			return nil
		}
		return n(cmd, before)
	}
}

func profileNames(*cobra.Command, []string) []string {
	list, _ := client.List()
	return list
}

func profileThenDoors(cmd *cobra.Command, before []string) []string {
	if len(before) == 0 {
		return profileNames(cmd, before)
	}
	return doorsOf(before)
}

// doorsOf are the doors of the profile that comes first.
func doorsOf(before []string) []string {
	if len(before) == 0 {
		return nil
	}
	p, err := client.Load(before[0])
	if err != nil {
		return nil
	}
	return p.Doors
}
