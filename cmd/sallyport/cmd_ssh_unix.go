//go:build !windows

package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// passesDescriptors reports whether ssh takes a connection from a proxy.
const passesDescriptors = true

// quoteWord makes one word of a shell's command line.
func quoteWord(word string) string {
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// become turns this process into another program.
func become(path string, args []string) error {
	return fmt.Errorf("run %s: %w", path, syscall.Exec(path, args, os.Environ()))
}
