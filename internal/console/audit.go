//go:build linux

package console

import (
	"context"
	"encoding/json"
	"net/http"
	"net/netip"

	"sallyport/internal/control"
)

// maxNotes is how many notes wait for the daemon. What comes beyond that is in the
// console's log only.
const maxNotes = 64

// note is for the daemon's journal.
type note struct {
	who
	control.NoteRequest
}

// noteThat has the journal say what someone has done, and never waits for it: acts are on
// record by the daemon itself, and a daemon that is away lets nobody act.
func (c *Console) noteThat(w who, what string, source netip.Addr, text string) {
	select {
	case c.notes <- note{w, control.NoteRequest{What: what, Source: source, Text: text}}:
	default:
		c.log.Warn("not in the journal of the gate", "what", what, "user", w.User)
	}
}

// keepNotes hands notes to the daemon until the context ends.
func (c *Console) keepNotes(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case n := <-c.notes:
			if err := c.keepNote(ctx, n); err != nil {
				c.log.Warn("not in the journal of the gate", "what", n.What, "user", n.User, "error", err)
			}
		}
	}
}

func (c *Console) keepNote(ctx context.Context, n note) error {
	text, err := json.Marshal(n.NoteRequest)
	if err != nil {
		return err
	}
	ctx, end := context.WithTimeout(ctx, waitForPlace)
	defer end()
	if err := c.daemon.enter(ctx); err != nil {
		return err
	}
	defer c.daemon.leave()
	response, err := c.daemon.send(ctx, n.who, http.MethodPost, notePath, text, "")
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return refuse(response.StatusCode, "", "the daemon answers %s", response.Status)
	}
	return nil
}
