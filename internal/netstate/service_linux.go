package netstate

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"sallyport/internal/packet"
)

// Services returns what [Listeners] does, with the name of the program behind
// each port. Only root sees the programs of everybody.
func Services() ([]Service, error) {
	sockets, err := listening()
	if err != nil {
		return nil, err
	}
	holders, err := holders()
	if err != nil {
		return nil, fmt.Errorf("find the programs behind ports: %w", err)
	}
	names := make(map[packet.Port]string)
	for _, s := range sockets {
		names[s.port] = worthier(names[s.port], holders[s.inode])
	}
	list := make([]Service, 0, len(names))
	for port, name := range names {
		list = append(list, Service{Port: port, Process: name})
	}
	slices.SortFunc(list, func(a, b Service) int { return comparePorts(a.Port, b.Port) })
	return list, nil
}

// worthier chooses between two holders of a socket. The service manager may
// hold a socket for another; of the others any will do, but always the same.
func worthier(a, b string) string {
	switch {
	case a == "" || a == "systemd" && b != "":
		return b
	case b == "" || b == "systemd":
		return a
	}
	return min(a, b)
}

// holders returns the name of a program for each socket, by inode. Processes
// that end meanwhile, and those of others, are left out.
func holders() (map[uint32]string, error) {
	fds, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return nil, err
	}
	names := make(map[uint32]string)
	for _, fd := range fds {
		target, err := os.Readlink(fd)
		if err != nil {
			continue
		}
		digits, ok := strings.CutPrefix(target, "socket:[")
		inode, err := strconv.ParseUint(strings.TrimSuffix(digits, "]"), 10, 32)
		if !ok || err != nil {
			continue
		}
		comm, err := os.ReadFile(filepath.Join(filepath.Dir(filepath.Dir(fd)), "comm"))
		if err != nil {
			continue
		}
		names[uint32(inode)] = worthier(names[uint32(inode)], strings.TrimSpace(string(comm)))
	}
	return names, nil
}
