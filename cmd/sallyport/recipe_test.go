//go:build linux && !client_only

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The script that API.md gives for a security group adds and removes what differs, and
// nothing while the list cannot be read. What it calls is written down instead.
func TestRecipeForASecurityGroup(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("needs bash")
	}
	text, err := os.ReadFile("../../docs/API.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(text), "```bash\n#!/bin/bash\ngroup=")
	script, _, _ := strings.Cut(block, "```")
	const authorize, revoke = "authorize-security-group-ingress", "revoke-security-group-ingress"
	for name, c := range map[string]struct{ curl, has, want string }{
		"what differs":     {"printf '192.0.2.7\n198.51.100.0/24\n2001:db8::7\n'", "printf '192.0.2.7/32\t203.0.113.9/32\n'", authorize + " 198.51.100.0/24\n" + revoke + " 203.0.113.9/32\n"},
		"nothing":          {"printf '192.0.2.7\n'", "printf '192.0.2.7/32\n'", ""},
		"all":              {"true", "printf '192.0.2.7/32\n'", revoke + " 192.0.2.7/32\n"},
		"an empty group":   {"printf '192.0.2.7\n'", "printf 'None\n'", authorize + " 192.0.2.7/32\n"},
		"no list":          {"exit 22", "printf '192.0.2.7/32\n'", ""},
		"no group":         {"true", "exit 255", ""},
		"no group, a list": {"printf '192.0.2.7\n'", "exit 255", ""},
	} {
		dir := t.TempDir()
		aws := "#!/bin/bash\ncase $2 in describe-*) " + c.has + ";; *) echo \"$2 ${10}\" >> " + dir + "/calls;; esac\n"
		for file, program := range map[string]string{"curl": "#!/bin/bash\n" + c.curl + "\n", "aws": aws, "recipe": "#!/bin/bash\ngroup=" + script} {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(program), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.Command(bash, filepath.Join(dir, "recipe"))
		cmd.Env = []string{"PATH=" + dir + ":/usr/bin:/bin"}
		out, _ := cmd.CombinedOutput() // its status is the last program's
		calls, _ := os.ReadFile(filepath.Join(dir, "calls"))
		if string(calls) != c.want {
			t.Errorf("%s: %q, want %q\n%s", name, calls, c.want, out)
		}
	}
}
