//go:build linux

package daemon

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/internal/control"
	"sallyport/internal/enrolled"
	"sallyport/internal/enrolled/kept"
)

// A client whose doors are gone keeps its name and its key: it comes back with them.
func TestInvitesDisplaceNobody(t *testing.T) {
	h := newHouse(t)
	h.configure(spaForInvites + doorSSH + doorWeb)
	h.start()
	h.enrols("phone", "web")
	kept := h.daemon.enrolled.List()[0]
	h.configure(spaForInvites + doorSSH)
	if _, err := h.daemon.Reload(t.Context(), reloadNow); err != nil {
		t.Fatal(err)
	}
	h.knows("")
	for want, q := range map[string]control.InviteRequest{
		"has enrolled itself before": {Client: "phone", Key: aPublicKey(t)},
		"with this key already":      {Client: "other", Key: kept.Key},
		"max_open is 500ms":          {Client: "brief", Key: aPublicKey(t), MaxOpen: control.Duration(500 * time.Millisecond)},
	} {
		q.Doors, q.For = []string{"ssh"}, control.Duration(time.Hour)
		if _, err := h.daemon.Invite(t.Context(), q); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	h.configure(spaForInvites + doorSSH + doorWeb)
	if _, err := h.daemon.Reload(t.Context(), reloadNow); err != nil {
		t.Fatal(err)
	}
	h.knows("phone")
}

// Who removes a client removes all that is kept of that name: none of it comes back
// when the other is gone.
func TestNothingIsLeftOfARemovedClient(t *testing.T) {
	h := newHouse(t)
	h.configure(spaForInvites + doorSSH)
	h.start()
	h.enrols("phone", "ssh")
	first := h.daemon.enrolled.List()[0]
	if _, err := h.daemon.Remove(t.Context(), control.RemoveRequest{Client: "phone"}); err != nil {
		t.Fatal(err)
	}
	h.enrols("phone", "ssh")
	h.end()
	if err := kept.Of(filepath.Join(h.dir, "state")).Write(first); err != nil { // as a backup has it
		t.Fatal(err)
	}
	h.start()
	h.knows("phone")
	if a, err := h.daemon.Remove(t.Context(), control.RemoveRequest{Client: "phone"}); err != nil || !a.Client || a.Invite {
		t.Errorf("%+v, %v", a, err)
	}
	h.knows("")
	for _, r := range h.daemon.enrolled.List() {
		if r.Use != nil && !r.Removed {
			t.Errorf("%+v is left", enrolled.Record{Name: r.Name, Made: r.Made})
		}
	}
	h.restart()
	h.knows("")
}
