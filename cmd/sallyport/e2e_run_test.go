//go:build linux && !client_only

package main

import (
	"strings"
	"testing"

	"sallyport/internal/lab"
	"sallyport/internal/lab/labtest"
)

// The door stays open for longer than one grant while the program runs, and is
// given back at its end. Its status is ours, and its output alone on ours.
func TestRunKeepsTheDoorOpen(t *testing.T) {
	t.Parallel()
	labtest.Need(t, "peers", "bash")
	w := newClientWorld(t, lab.Options{}, nil)
	w.closed(w.Client, "tcp", at(w.Client, 22))
	connect := "timeout 5 bash -c '</dev/tcp/{host}/22'"
	out, errs, status := w.try("run", "gate", "--", "bash", "-c", "sleep 5; "+connect+" && echo reached")
	if status != exitDone || out != "reached\n" || !strings.Contains(errs, `door "ssh" is closed for`) {
		t.Errorf("status %d: %q, %s", status, out, errs)
	}
	w.closed(w.Client, "tcp", at(w.Client, 22))
	if out, errs, status := w.try("run", "--single", "gate", "--", "bash", "-c", connect+"; echo $?; exit 7"); status != 7 || out != "0\n" || strings.Contains(errs, "sallyport:") {
		t.Errorf("--single: status %d: %q, %s", status, out, errs)
	}
	if _, errs, status := w.try("run", "gate", "--", "no-such-program"); status != exitFailed || !strings.Contains(errs, `find the program "no-such-program"`) {
		t.Errorf("status %d: %s", status, errs)
	}
	w.closed(w.Client, "tcp", at(w.Client, 22))
	if _, errs, status := w.try("knock", "gate", "--wait-port", "22"); status != exitDone || !strings.Contains(errs, "answers, after") {
		t.Errorf("--wait-port: status %d: %s", status, errs)
	}
}
