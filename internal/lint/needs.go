package lint

import (
	"fmt"
	"slices"

	"sallyport/internal/config"
)

// Parts of examples.
const (
	api       = "[api]\nlisten = \"127.0.0.1:8765\"\ntoken_file = \"/etc/sallyport/api.token\"\n\n"
	hook      = "\n[[hook]]\non = [\"open\"]\ncommand = [\"/usr/local/bin/opened\"]\n"
	tokenFile = "/etc/sallyport/api.token"
	program   = "/usr/local/bin/opened"
)

// needRules are about what the configuration names and the host must have.
var needRules = []Rule{
	{
		Name: "missing-file", Group: Host, Severity: Error,
		Summary: "a file that is named does not exist",
		Why:     "The API, or a webhook, does not start without its token or its certificate. The daemon goes on without them, and says so in its log only.",
		Remedy:  "make the file, or correct the path",
		Bad:     Example{Config: api + spaPort + sshDoor + alice, Host: &Facts{Missing: []string{tokenFile}}},
		Good:    Example{Config: api + spaPort + sshDoor + alice, Host: &Facts{}},
		check: func(in input, tell report) {
			for _, f := range in.files() {
				if in.host != nil && slices.Contains(in.host.Missing, f.path) {
					tell(f.place, fmt.Sprintf("%s: there is no %s", f.what, f.path))
				}
			}
		},
	},
	{
		Name: "missing-program", Group: Host, Severity: Error,
		Summary: "the program of a hook cannot be run",
		Why:     "It does not exist, or is not executable, so that each time the hook fails.",
		Remedy:  "install the program, correct the path, or chmod +x",
		Bad:     Example{Config: spaPort + sshDoor + alice + hook, Host: &Facts{NotRunnable: []string{program}}},
		Good:    Example{Config: spaPort + sshDoor + alice + hook, Host: &Facts{}},
		check: func(in input, tell report) {
			for _, h := range in.Hooks {
				if in.host != nil && slices.Contains(in.host.NotRunnable, h.Command[0]) {
					tell(h.Place, fmt.Sprintf("hook: %s does not exist, or is not executable", h.Command[0]))
				}
			}
		},
	},
	{
		Name: "busy-listener", Group: Host, Severity: Error,
		Summary: "another program listens where the API or metrics should",
		Why:     "The daemon starts without the one that cannot listen, and says so in its log only.",
		Remedy:  "choose another port, or stop what listens there",
		Bad:     Example{Config: api + spaPort + sshDoor + alice, Host: &Facts{Busy: []string{"127.0.0.1:8765"}}},
		Good:    Example{Config: api + spaPort + sshDoor + alice, Host: &Facts{}},
		check: func(in input, tell report) {
			if in.host == nil {
				return
			}
			for _, l := range []struct{ table, at string }{{"api", in.API.Listen.String()}, {"metrics", in.Metrics.Listen}} {
				if slices.Contains(in.host.Busy, l.at) {
					tell(config.Place{File: in.Path}, fmt.Sprintf("[%s] listen: another program has %s", l.table, l.at))
				}
			}
		},
	},
}

// named is a file that the configuration names.
type named struct {
	what, path string
	place      config.Place
}

// files returns those that nothing reads before the daemon needs them.
func (in input) files() []named {
	here := config.Place{File: in.Path}
	list := []named{{"[api] token_file", in.API.TokenFile, here}, {"[api] tls_cert", in.API.TLSCert, here}, {"[api] tls_key", in.API.TLSKey, here}}
	for _, w := range in.Webhooks {
		list = append(list, named{"webhook token_file", w.TokenFile, w.Place})
	}
	return slices.DeleteFunc(list, func(f named) bool { return f.path == "" })
}

// Needed returns the paths of files, and of programs, that the host must have.
func Needed(cfg *config.Config) (files, programs []string) {
	for _, f := range (input{Config: cfg}).files() {
		files = append(files, f.path)
	}
	for _, h := range cfg.Hooks {
		programs = append(programs, h.Command[0])
	}
	return files, programs
}
