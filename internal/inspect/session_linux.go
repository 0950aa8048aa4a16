package inspect

import (
	"bytes"
	"os"
	"strconv"
)

// CurrentSession returns the SSH session that this process was started from,
// if there is one. It looks at the process and its parents, because sudo takes
// the variable away that tells.
func CurrentSession() (Session, bool) {
	return sessionOf(os.Getpid())
}

// maxDepth is more generations than a session has.
const maxDepth = 64

func sessionOf(pid int) (Session, bool) {
	text, ok := fromEnviron(pid, "SSH_CONNECTION")
	if !ok {
		return Session{}, false
	}
	s, err := parseSession(text)
	return s, err == nil
}

// parent reads the parent from /proc/PID/stat (proc(5)): pid, the name in
// parentheses, which may hold anything, state, parent.
func parent(stat []byte) int {
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 2 {
		return 0
	}
	pid, err := strconv.Atoi(string(fields[1]))
	if err != nil {
		return 0
	}
	return pid
}
