//go:build linux

// Package machine says what a benchmark ran on: figures of different machines
// cannot be compared.
package machine

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Machine is the computer and its state before the run.
type Machine struct {
	Kernel     string `json:"kernel"`
	CPU        string `json:"cpu"`
	Cores      int    `json:"cores"`
	MemoryMB   int    `json:"memory_mb"`
	OS         string `json:"os"`
	Go         string `json:"go"`
	Load       string `json:"load"` // averages of 1, 5 and 15 minutes
	Privileged bool   `json:"privileged"`
}

// Look describes this machine. What cannot be found out stays empty.
func Look() Machine {
	m := Machine{Cores: runtime.NumCPU(), Go: runtime.Version() + " " + runtime.GOARCH}
	var uts unix.Utsname
	if unix.Uname(&uts) == nil {
		m.Kernel = unix.ByteSliceToString(uts.Release[:])
	}
	m.CPU = field("/proc/cpuinfo", "model name", ":")
	m.OS = strings.Trim(field("/etc/os-release", "PRETTY_NAME", "="), `"`)
	kilobytes, _ := strconv.Atoi(strings.TrimSuffix(field("/proc/meminfo", "MemTotal", ":"), " kB"))
	m.MemoryMB = kilobytes >> 10
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.Load = strings.Join(strings.Fields(string(text))[:3], " ")
	}
	m.Privileged = firstUserNamespace()
	return m
}

// firstUserNamespace reports whether root here is root of the machine.
func firstUserNamespace() bool {
	text, err := os.ReadFile("/proc/self/uid_map")
	var inside, outside, size uint64
	if err == nil {
		_, err = fmt.Sscan(string(text), &inside, &outside, &size)
	}
	return err == nil && os.Geteuid() == 0 && inside == 0 && outside == 0 && size == 1<<32-1
}

// field returns the first value of a key in a file of "key separator value" lines.
func field(path, key, separator string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		k, v, found := strings.Cut(lines.Text(), separator)
		if found && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v)
		}
	}
	return ""
}
