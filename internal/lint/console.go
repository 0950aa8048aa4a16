package lint

import (
	"fmt"
	"slices"

	"sallyport/internal/config"
	"sallyport/internal/passkey"
)

// ConsoleUser is the user that the console runs as.
const ConsoleUser = "sallyport-console"

// Console is the configuration of the console on this host.
type Console struct {
	Path     string
	Mistakes []*config.Error // then nothing else is known
	Socket   string
	Origin   string // empty: it is served on loopback
}

// Parts of examples.
const (
	consoleAsks = "[api]\nact = [\"sallyport-console\"]\n\n"
	pocket      = "\n[[client]]\nname = \"bob\"\ndoors = [\"ssh\"]\nstun = true\nkey = \"passkey-es256 AyJoHpiKc1tkP5MoJaCs3kg6JH6JhBC9+mAJG6uZ7okT https://%s.example.org\"\n"
)

var exampleConsole = &Console{Path: config.DefaultConsole, Socket: config.DefaultSocket, Origin: "https://gate.example.org"}

// consoleRules are about the console, whose configuration has a file of its own.
var consoleRules = []Rule{
	{
		Name: "console-invalid", Group: Host, Severity: Error,
		Summary: "the configuration of the console has a mistake",
		Why:     "The console does not start with it.",
		Remedy:  "correct it; /usr/share/doc/sallyport/console.toml shows every key",
		Bad: Example{Config: consoleAsks + spaPort + sshDoor + alice,
			Host: &Facts{Console: &Console{Path: config.DefaultConsole, Mistakes: []*config.Error{{Place: config.Place{File: config.DefaultConsole, Line: 3}, Err: fmt.Errorf("console: unknown key %q", "port")}}}}},
		Good: Example{Config: consoleAsks + spaPort + sshDoor + alice, Host: &Facts{Console: exampleConsole}},
		check: func(in input, tell report) {
			if in.host == nil || in.host.Console == nil {
				return
			}
			for _, m := range in.host.Console.Mistakes {
				tell(m.Place, m.Err.Error())
			}
		},
	},
	{
		Name: "console-asks-nothing", Group: Host, Severity: Warning,
		Summary: "the console is configured, and may not ask the daemon",
		Why:     "What it may do is for the daemon to say. Without a right, or at another socket, all that it shows is that the daemon does not answer.",
		Remedy:  "name its user, sallyport-console, in [api] view or act, and the same socket in both files",
		Bad:     Example{Config: spaPort + sshDoor + alice, Host: &Facts{Console: exampleConsole}},
		Good:    Example{Config: consoleAsks + spaPort + sshDoor + alice, Host: &Facts{Console: exampleConsole}},
		check: func(in input, tell report) {
			if in.host == nil || in.host.Console == nil || len(in.host.Console.Mistakes) > 0 {
				return
			}
			if c := in.host.Console; c.Socket != in.Daemon.Socket {
				tell(config.Place{File: c.Path}, fmt.Sprintf("[console] socket is %s, and the daemon's is %s", c.Socket, in.Daemon.Socket))
			}
			if !slices.Contains(slices.Concat(in.API.View, in.API.Act, in.API.Admin), ConsoleUser) {
				tell(config.Place{File: in.Path}, "[api] gives "+ConsoleUser+" no right")
			}
		},
	},
	{
		Name: "console-shares-passkeys", Group: Host, Severity: Error,
		Summary: "a client's passkey was made at the address of the console",
		Why:     "A page at that address can have it sign: what serves one of them could use the passkeys of the other. A passkey is for knocking, or for the console, and never for both.",
		Remedy:  "serve the pocket page under another name than the console, and enrol the passkey there again",
		Bad:     Example{Config: consoleAsks + "[spa]\nport = 23917\nstun = true\n\n" + sshDoor + fmt.Sprintf(pocket, "gate"), Host: &Facts{Console: exampleConsole}},
		Good:    Example{Config: consoleAsks + "[spa]\nport = 23917\nstun = true\n\n" + sshDoor + fmt.Sprintf(pocket, "knock"), Host: &Facts{Console: exampleConsole}},
		check: func(in input, tell report) {
			if in.host == nil || in.host.Console == nil || in.host.Console.Origin == "" {
				return
			}
			for _, c := range in.Clients {
				if k, ok := c.Key.(*passkey.Key); ok && k.Origin() == in.host.Console.Origin {
					tell(c.Place, fmt.Sprintf("client %q: its passkey is for %s, where the console is", c.Name, k.Origin()))
				}
			}
		},
	},
}
