package inspect

import (
	"bytes"
	"fmt"
	"os"
	"strings"
)

// SessionKey returns the public key that authenticated the SSH session that this
// process was started from, as a line of authorized_keys. sshd reveals it only
// with ExposeAuthInfo (sshd_config(5)).
func SessionKey() (line string, ok bool) {
	path, ok := fromEnviron(os.Getpid(), "SSH_USER_AUTH")
	if !ok {
		return "", false
	}
	text, err := os.ReadFile(path)
	if err != nil || len(text) > 64<<10 {
		return "", false
	}
	for _, l := range strings.Split(string(text), "\n") {
		if key, found := strings.CutPrefix(l, "publickey "); found {
			return strings.TrimSpace(key), true
		}
	}
	return "", false
}

// fromEnviron returns a variable of a process or of the nearest of its parents
// that has it, because sudo takes variables away.
func fromEnviron(pid int, name string) (value string, ok bool) {
	prefix := []byte(name + "=")
	for range maxDepth {
		environ, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid)) // may be another user's: go on
		for _, v := range bytes.Split(environ, []byte{0}) {
			if text, found := bytes.CutPrefix(v, prefix); found {
				return string(text), true
			}
		}
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return "", false
		}
		if pid = parent(stat); pid <= 1 {
			return "", false
		}
	}
	return "", false
}
