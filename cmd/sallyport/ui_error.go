package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"

	"sallyport/client"
	"sallyport/internal/inert"
	"sallyport/internal/phrase"
)

// printError prints an error and, where it has one, its remedy.
func printError(w io.Writer, err error) {
	if errors.Is(err, errSilent) {
		return
	}
	s := screenOf(w)
	s.prose(alarm, "sallyport: ", inertLines(err.Error()))
	hint := fileHint(err)
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) {
		hint = hinted.Hint()
	}
	if hint != "" {
		s.prose(bold, "hint: ", inertLines(hint))
	}
}

// fileHint says what helps where a file cannot be written, whichever command wanted to.
func fileHint(err error) string {
	var file *fs.PathError
	if !errors.As(err, &file) {
		return ""
	}
	dir := filepath.Dir(file.Path)
	switch mine, _ := client.Dir(); {
	case errors.Is(err, syscall.EROFS):
		return fmt.Sprintf("the file system of %s is mounted read-only: mount it for writing (mount -o remount,rw), or choose another folder", dir)
	case file.Op == "write" && errors.Is(err, fs.ErrNotExist):
		return fmt.Sprintf("the folder %s is not there: make it first", dir)
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Sprintf("the disk that holds %s is full: make room there", dir)
	case errors.Is(err, fs.ErrPermission) && mine != "" && strings.HasPrefix(file.Path, filepath.Dir(mine)):
		return fmt.Sprintf("it belongs to another user, to root for one after sudo: give it back with sudo chown -R \"$USER\" %s", filepath.Dir(mine))
	}
	return ""
}

// inertLines makes a text of several lines inert, and each of them short: words of
// a command line and names of files are repeated in errors.
func inertLines(text string) string {
	return eachLine(text, func(l string) string { return phrase.Short(inert.Text(l)) })
}

// inertText makes a text of several lines inert.
func inertText(text string) string { return eachLine(text, inert.Text) }

func eachLine(text string, change func(string) string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = change(lines[i])
	}
	return strings.Join(lines, "\n")
}

// errSilent is returned by a command that failed and has said so already.
var errSilent = errors.New("failed")

// usageError is a command line that makes no sense.
type usageError struct{ error }

func (u usageError) Unwrap() error { return u.error }

// hinted adds a remedy to an error.
type hinted struct {
	error
	hint string
}

func (h hinted) Hint() string { return h.hint }

func (h hinted) Unwrap() error { return h.error }

// statusError is the end of a program that was run for the user: it has said
// itself what was wrong.
type statusError int

func (s statusError) Error() string {
	return fmt.Sprintf("the program has ended with status %d", int(s))
}
