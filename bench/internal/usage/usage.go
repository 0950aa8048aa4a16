// Package usage reads from /proc what programs, and the machine as a whole,
// have used.
package usage

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of times in /proc on every Linux (USER_HZ).
const tick = time.Second / 100

// CPU returns the processor time that a process has used, in user space and in
// the kernel, and that of the children it has waited for. Threads that have
// ended are not in it; children are counted to 10 ms.
func CPU(pid int) (time.Duration, error) {
	sum, err := children(pid)
	if err != nil {
		return 0, fmt.Errorf("read the processor time of process %d: %w", pid, err)
	}
	threads, err := filepath.Glob(proc(pid, "task/*/schedstat"))
	if err != nil {
		return 0, err
	}
	for _, path := range threads {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // the thread has just ended
		}
		first, _, _ := bytes.Cut(text, []byte{' '})
		n, err := strconv.ParseInt(string(first), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read %s: %w", path, err)
		}
		sum += time.Duration(n)
	}
	return sum, nil
}

// children returns the time of the children that the process has waited for.
func children(pid int) (time.Duration, error) {
	text, err := os.ReadFile(proc(pid, "stat"))
	if err != nil {
		return 0, err
	}
	// The program's name, in brackets, may hold anything, even brackets.
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	const cutime, cstime = 13, 14 // 16 and 17 in proc(5), which counts the process id as 1
	if len(fields) <= cstime {
		return 0, fmt.Errorf("short line %q", text)
	}
	return ticks(fields[cutime : cstime+1])
}

// Machine returns the time in which the processors of the machine were busy,
// interrupts included.
func Machine() (time.Duration, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, fmt.Errorf("read the processor time of the machine: %w", err)
	}
	line, _, _ := bytes.Cut(text, []byte{'\n'})
	fields := bytes.Fields(line) // cpu user nice system idle iowait irq softirq steal …
	if len(fields) < 8 {
		return 0, fmt.Errorf("read the processor time of the machine: short line %q", line)
	}
	return ticks(append(fields[1:4:4], fields[6], fields[7]))
}

func ticks(fields [][]byte) (sum time.Duration, err error) {
	for _, f := range fields {
		n, err := strconv.ParseInt(string(f), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read a processor time: %w", err)
		}
		sum += time.Duration(n) * tick
	}
	return sum, nil
}

// Memory is what a process holds in memory, in bytes.
type Memory struct {
	Resident uint64 `json:"resident"`
	Peak     uint64 `json:"peak"`   // the most that was ever resident
	Mapped   uint64 `json:"mapped"` // of Resident: files, and buffers shared with the kernel
}

// RSS returns the memory of a process.
func RSS(pid int) (m Memory, err error) {
	text, err := os.ReadFile(proc(pid, "status"))
	if err != nil {
		return m, fmt.Errorf("read the memory of process %d: %w", pid, err)
	}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(line, ":")
		kilobytes, _ := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		switch key {
		case "VmRSS":
			m.Resident = kilobytes << 10
		case "VmHWM":
			m.Peak = kilobytes << 10
		case "RssFile", "RssShmem":
			m.Mapped += kilobytes << 10
		}
	}
	if m.Resident == 0 {
		return m, fmt.Errorf("read the memory of process %d: it has ended", pid)
	}
	return m, nil
}

// Descriptors returns how many files a process has open.
func Descriptors(pid int) (int, error) {
	list, err := os.ReadDir(proc(pid, "fd"))
	if err != nil {
		return 0, fmt.Errorf("count the open files of process %d: %w", pid, err)
	}
	return len(list), nil
}

func proc(pid int, name string) string {
	return filepath.Join("/proc", strconv.Itoa(pid), name)
}
