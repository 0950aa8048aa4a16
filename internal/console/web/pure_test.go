package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/internal/control"
	"sallyport/internal/invite"
	"sallyport/internal/key"
)

// The deciding parts of the page, and its texts, are tested by Node without a browser.
func TestParts(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("needs node")
	}
	files, err := filepath.Glob("test/*.test.js")
	if err != nil || len(files) == 0 {
		t.Fatal("there are no tests", err)
	}
	cmd := exec.CommandContext(t.Context(), node, append([]string{"--test", "--test-reporter=tap"}, files...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// The link of an invite is the one that the program makes, and reads.
func TestInviteLink(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("needs node")
	}
	private, err := key.Generate(key.X25519)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range []invite.Link{
		{Hosts: []netip.Addr{netip.MustParseAddr("203.0.113.1")}, Skew: time.Minute, Name: "alice", Doors: []invite.Door{{Name: "ssh", Open: time.Hour}}},
		{Hosts: []netip.Addr{netip.MustParseAddr("2001:db8::1")}, Skew: 5 * time.Minute, Name: "phone-2", Doors: []invite.Door{{Name: "ssh", Open: 90 * time.Second}, {Name: "all"}}},
	} {
		l.Port, l.ServerKey, l.Seed, l.Issued = 40321, private.Public(), bytes.Repeat([]byte{0xfb, 7}, 16), time.Unix(1_800_000_000, 0).UTC()
		a := control.InviteAnswer{Issued: l.Issued, Port: l.Port, ServerKey: l.ServerKey.Text(), Skew: control.Duration(l.Skew)}
		for _, d := range l.Doors {
			a.Doors = append(a.Doors, control.InviteDoor{Name: d.Name, Open: control.Duration(d.Open)})
		}
		text, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		script := fmt.Sprintf(`import { linkOf } from "./src/lib/invite.js"; console.log(linkOf(%s, { seed: Uint8Array.from({ length: 32 }, (_, i) => i %% 2 ? 7 : 0xfb), host: %q, name: %q }))`, text, l.Hosts[0], l.Name)
		out, err := exec.CommandContext(t.Context(), node, "--input-type=module", "-e", script).CombinedOutput()
		made := strings.TrimSpace(string(out))
		if err != nil || made != l.Text() {
			t.Errorf("%v: the page makes\n%s\nand the program\n%s", err, made, l.Text())
		}
		if _, err := invite.Parse(made); err != nil {
			t.Error(err)
		}
	}
}
