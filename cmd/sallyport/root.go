package main

import (
	"github.com/spf13/cobra"

	"sallyport/internal/build"
)

// addCommands adds what runs everywhere, and what needs a server.
func addCommands(root *cobra.Command, std stdio) {
	root.AddCommand(serverCommands(std)...)
	root.AddCommand(
		newCheck(std),
		newKnock(std),
		newClose(std),
		newAsk(std),
		newSSH(std),
		newProxy(std),
		newWatch(std),
		newRun(std),
		newDoctor(std),
		newKeygen(std),
		newAdd(std),
		newPair(std),
		newJoin(std),
		newList(std),
		newRemove(std),
		newVersion(std),
	)
}

// serverNames are the commands that only a program with the server in it has.
var serverNames = []string{
	"approve", "asks", "ban", "client", "config", "confirm", "console", "demo", "door", "down", "drill", "events", "findings", "fleet", "guide", "import", "init", "observe", "open", "page", "refuse", "reload", "report",
	"revoke", "serve", "server-key", "setup", "status", "top", "why",
}

func newRoot(std stdio) *cobra.Command {
	root := &cobra.Command{
		Use:   "sallyport",
		Short: "A gate that stays closed and silent, and opens for anyone who proves a secret",
		Long: `Services stay closed and silent at the firewall; anyone who proves a secret gets one door, for one source
address, for a short time, and the kernel closes it again.

On a server, "init" makes a configuration, "client add" enrols people, and "serve" is the daemon. A
client adds the profile that it was given ("add"), and then knocks ("knock") or connects ("ssh").

The configuration is /etc/sallyport/sallyport.toml, with conf.d/*.toml beside it; the state is in
/var/lib/sallyport. A client keeps its profiles in its configuration folder: ~/.config/sallyport on Linux.

The exit status is 0 if all is done, 1 if something was refused or failed, and 2 if the command line is
wrong.`,
		Version:       build.Version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return cmd.Help() },
	}
	root.SetIn(std.in)
	root.SetOut(std.out)
	root.SetErr(std.err)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return flagProblem(cmd, err)
	})
	root.AddGroup(&cobra.Group{ID: "server", Title: "On the server:"}, &cobra.Group{ID: "client", Title: "On the client:"}, &cobra.Group{ID: "other", Title: "Other:"})
	root.SetHelpCommandGroupID("other")
	root.SetCompletionCommandGroupID("other")
	helpFits(root, std)
	addCommands(root, std)
	groupsHelp(root)
	addDocs(root)
	addCompletions(root)
	return root
}

// groupsHelp gives commands that only have subcommands something to do: alone
// they print their help, and another word after them is an error.
func groupsHelp(cmd *cobra.Command) {
	for _, c := range cmd.Commands() {
		if c.HasSubCommands() && !c.Runnable() {
			c.Args = args(cobra.NoArgs)
			c.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
		groupsHelp(c)
	}
}
