//go:build linux

package daemon

import (
	"context"
	"strconv"
	"sync"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/control"
	"sallyport/internal/event"
)

// notesOfMinute is how many notes the journal takes in a minute: more than people log in.
const notesOfMinute = 120

// noted are the notes there can be, and what the journal says of each.
var noted = map[string]string{
	"login": "logged in at the console", "failed": "a login at the console failed", "logout": "logged out of the console",
	"passkey-made": "made a passkey for the console", "passkey-removed": "removed a passkey for the console",
}

// failuresOfMinute is how many of them may be of logins that failed: strangers make those,
// and must not hide by them who has logged in.
const failuresOfMinute = notesOfMinute / 2

// notes counts those of the present minute.
type notes struct {
	mu            sync.Mutex
	minute        int64
	count, failed int
}

func (n *notes) enter(now time.Time, failed bool) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if m := now.Unix() / 60; m != n.minute {
		n.minute, n.count, n.failed = m, 0, 0
	}
	if failed {
		if n.failed++; n.failed > failuresOfMinute {
			return false
		}
	}
	n.count++
	return n.count <= notesOfMinute
}

// Note has the journal say what a program has let someone do.
func (d *Daemon) Note(ctx context.Context, q control.NoteRequest) (struct{}, error) {
	text, known := noted[q.What]
	if !known || !config.ValidLabel(q.Text) || q.Source.Zone() != "" {
		return struct{}{}, control.Wrong("want login, failed, logout, passkey-made or passkey-removed, and at most 80 characters that can be printed", "this cannot be noted")
	}
	now := time.Now()
	if !d.notes.enter(now, q.What == "failed") {
		return struct{}{}, &control.Error{Text: "there were too many notes in this minute", Remedy: "the log of the program that sent them has them all"}
	}
	if q.Text != "" {
		text += ": " + strconv.Quote(q.Text)
	}
	d.events.Put(event.Event{Time: now, Kind: event.KindLogin, Reason: event.ByOperator, Source: q.Source.Unmap(), Authenticated: q.What != "failed",
		Detail: control.Asker(ctx) + ": " + text})
	return struct{}{}, nil
}
