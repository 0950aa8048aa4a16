//go:build linux && !client_only

package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"sallyport/internal/observe"
	"sallyport/internal/setup"
)

// defaultObserved is where observe keeps what it has seen.
const defaultObserved = setup.DefaultState + "/observed.json"

// sayNothingClosed is said wherever something is said of observing.
const sayNothingClosed = "NOTHING IS CLOSED: observing protects nothing"

// readObserved reads a record; one that is not there yet is fs.ErrNotExist.
func readObserved(path string) (*observe.Record, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, observe.MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read %q: %w", path, err)
	}
	r, err := observe.Decode(text)
	if err != nil {
		return nil, fmt.Errorf("%q %w", path, err)
	}
	return r, nil
}

// observed reads the record for those who want conclusions.
func observed(path string) (*observe.Record, error) {
	r, err := readObserved(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, hinted{fmt.Errorf("nothing has been observed: there is no %s", path), "run sallyport observe for some days first"}
	}
	return r, advise(err)
}

// observedDoors are the doors that a record suggests, as --door takes them.
func observedDoors(path string) ([]string, error) {
	r, err := observed(path)
	if err != nil {
		return nil, err
	}
	var list []string
	for _, p := range r.Advise().Doors {
		list = append(list, p.Door+"="+p.Port)
	}
	if len(list) == 0 {
		return nil, hinted{fmt.Errorf("%s suggests no door", path), "name doors with --door; sallyport observe report says what was seen"}
	}
	return list, nil
}
