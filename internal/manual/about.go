package manual

import (
	"slices"

	"github.com/spf13/cobra"
)

// term is a word with its meaning.
type term struct{ name, meaning string }

// about is what a page says beside the help.
type about struct{ exit, files, environment []term }

const (
	configurationFile = "/etc/sallyport/sallyport.toml"
	stateFolder       = "/var/lib/sallyport/"
)

// aboutOf goes by the flags that a command has, so that a new command is
// described as those like it are.
func aboutOf(cmd *cobra.Command) about {
	return about{exit: exitOf(cmd), files: filesOf(cmd), environment: environmentOf(cmd)}
}

func has(cmd *cobra.Command, flag string) bool { return cmd.Flags().Lookup(flag) != nil }

// guards reports whether cmd is the whole program, with the server in it.
func guards(cmd *cobra.Command) bool {
	serve, _, err := cmd.Find([]string{"serve"})
	return !cmd.HasParent() && err == nil && serve.IsAvailableCommand()
}

func exitOf(cmd *cobra.Command) []term {
	switch cmd.CommandPath() {
	case "sallyport run", "sallyport ssh":
		return []term{
			{"1", "The door did not open, and nothing was run."},
			{"2", "The command line is wrong."},
			{"any other", "That of the program, which is the exit status if the door did open."},
		}
	case "sallyport check":
		return []term{{"0", "Nothing is as grave as --severity."}, {"1", "Something is, or the configuration has a mistake."}, {"2", "The command line is wrong."}}
	}
	return []term{{"0", "All is done."}, {"1", "Something was refused or failed."}, {"2", "The command line is wrong."}, {"130", "Ctrl-C has ended it before all was done."}}
}

func filesOf(cmd *cobra.Command) (list []term) {
	add := func(name, meaning string) { list = append(list, term{name, meaning}) }
	path := cmd.CommandPath()
	if guards(cmd) || has(cmd, "config") || has(cmd, "dir") {
		add(configurationFile, "The configuration: see sallyport.toml(5).")
		add("/etc/sallyport/conf.d/*.toml", "More of it, one file for each client and door that a command has added.")
	}
	if path == "sallyport serve" || guards(cmd) {
		add(stateFolder, "The state of the daemon: server key, replay guard, what is in force, journal.")
		add("/run/sallyport/control.sock", "Where commands reach the daemon.")
	}
	if has(cmd, "journal") {
		add(stateFolder+"journal.db", "The events, unless [journal] names another file.")
	}
	if has(cmd, "identity") {
		add("~/.ssh/id_*", "SSH keys that are tried where no agent has the right one.")
	}
	if group(cmd) == "client" && path != "sallyport keygen" || path == "sallyport" {
		add("~/.config/sallyport/profiles/", "The profiles of this user (macOS: ~/Library/Application Support/sallyport/profiles/).")
	}
	return list
}

func environmentOf(cmd *cobra.Command) (list []term) {
	add := func(name, meaning string) { list = append(list, term{name, meaning}) }
	path := cmd.CommandPath()
	if has(cmd, "identity") {
		add("SSH_AUTH_SOCK", "The socket of the ssh-agent.")
	}
	if has(cmd, "lang") {
		add("LC_ALL, LC_MESSAGES, LANG", "The language of the answer, where --lang does not say.")
	}
	if has(cmd, "source") || has(cmd, "force") || path == "sallyport why" || path == "sallyport setup" || path == "sallyport init" {
		add("SSH_CONNECTION", "Where this SSH session comes from, as sshd(8) sets it.")
	}
	if group(cmd) == "client" && path != "sallyport keygen" {
		add("XDG_CONFIG_HOME", "The folder of configurations, in the place of ~/.config.")
	}
	switch path {
	case "sallyport config edit":
		add("VISUAL, EDITOR", "The editor.")
	case "sallyport setup":
		add("SUDO_USER", "Whose SSH keys are offered.")
	case "sallyport serve":
		add("STATE_DIRECTORY", "Where the copy of what is in force is kept, as systemd.exec(5) sets it.")
		add("NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID, JOURNAL_STREAM", "How systemd is notified and its journal is written.")
	}
	add("NO_COLOR, TERM", "There is no colour if NO_COLOR is set, if TERM is \"dumb\", or off a terminal.")
	return list
}

// related are the pages to see also.
func related(cmd *cobra.Command) (list []Page) {
	if cmd.HasParent() {
		list = append(list, Of(cmd.Parent()))
		for _, c := range cmd.Parent().Commands() {
			if cmd.Parent().HasParent() && c != cmd && c.IsAvailableCommand() && c.Name() != "help" && cmd.Parent().Name() != "completion" {
				list = append(list, Of(c))
			}
		}
	}
	if has(cmd, "config") || has(cmd, "dir") || guards(cmd) {
		list = append(list, ConfigurationPage)
	}
	for _, name := range alsoSee[cmd.CommandPath()] {
		if c, rest, err := cmd.Root().Find([]string{name}); err == nil && len(rest) == 0 && c.IsAvailableCommand() {
			list = append(list, Of(c))
		}
	}
	return slices.Compact(list)
}

// alsoSee are commands that are used together.
var alsoSee = map[string][]string{
	"sallyport add": {"pair", "knock"}, "sallyport pair": {"add", "keygen"}, "sallyport knock": {"close", "doctor", "ssh"}, "sallyport close": {"knock"},
	"sallyport ssh": {"proxy", "knock"}, "sallyport proxy": {"ssh"}, "sallyport watch": {"run"}, "sallyport run": {"watch"}, "sallyport keygen": {"pair"},
	"sallyport init": {"setup", "serve", "client"}, "sallyport setup": {"init", "client"}, "sallyport serve": {"reload", "confirm", "down"},
	"sallyport reload": {"confirm", "check"}, "sallyport confirm": {"reload"}, "sallyport check": {"reload"}, "sallyport why": {"events", "findings"},
	"sallyport events": {"why", "report"}, "sallyport findings": {"events", "why"}, "sallyport report": {"events", "findings"},
	"sallyport open": {"revoke"}, "sallyport revoke": {"open", "ban"}, "sallyport import": {"check"}, "sallyport status": {"why"}, "sallyport doctor": {"knock"},
}
