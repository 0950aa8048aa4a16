package main

import (
	"io"
	"os"
	"sync/atomic"
)

// results is where a command prints its results. It remembers what could not be
// written, a full disk for one: half a result is a failure, of whichever command.
type results struct {
	io.Writer
	lost atomic.Pointer[error]
}

func (r *results) Write(b []byte) (int, error) {
	n, err := r.Writer.Write(b)
	if err != nil {
		r.lost.CompareAndSwap(nil, &err)
	}
	return n, err
}

// direct is the writer itself, for programs that are to have it as it is.
func direct(w io.Writer) io.Writer {
	if r, ok := w.(*results); ok {
		return r.Writer
	}
	return w
}

// fileOf returns the file behind what a command reads or writes, if it is one.
func fileOf(of any) (*os.File, bool) {
	if r, ok := of.(*results); ok {
		of = r.Writer
	}
	f, ok := of.(*os.File)
	return f, ok
}
