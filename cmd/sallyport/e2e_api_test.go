//go:build linux && !client_only

package main

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/lab"
	"sallyport/internal/lab/labtest"
)

// An EDR ends the grants of a source.
func TestGrantsEndFromElsewhere(t *testing.T) {
	t.Parallel()
	const token = "0123456789abcdef0123456789abcdef" // of this test only
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	w := newGuarded(t, sshDoor+"\n[api]\nlisten = \"127.0.0.1:9478\"\ntoken_file = \""+path+"\"\n")
	w.must(w.Gate, "open", "ssh", "--source", w.Client.IP4.String(), "--for", "1h", "-c", w.config)
	w.open(w.Client, "tcp", at(w.Client, 22))
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		return w.Gate.Dial(ctx, network, address)
	}}}
	request, err := http.NewRequest("POST", "http://127.0.0.1:9478/revoke", strings.NewReader(`{"source":"`+w.Client.IP4.String()+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("status %d", response.StatusCode)
	}
	w.closed(w.Client, "tcp", at(w.Client, 22))
}

// Another firewall reads who may use a door, as docs/API.md says, and lets them in; what
// runs on the host asks by the socket.
func TestAnotherFirewallReadsTheList(t *testing.T) {
	t.Parallel()
	labtest.Need(t, "peers", "curl", "nft")
	const token = "fedcba9876543210fedcba9876543210" // of this test only
	dir := t.TempDir()
	path := filepath.Join(dir, "list.token")
	if err := os.WriteFile(path, []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	w := newGuarded(t, sshDoor+"polled = \"10s\"\n[api]\nlisten = \"127.0.0.1:9478\"\nlist_token_file = \""+path+"\"\n")
	run := func(h *lab.Host, words ...string) string {
		t.Helper()
		cmd := h.Command(t.Context(), words[0], words[1:]...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%q: %v\n%s", words, err, out)
		}
		return string(out)
	}
	list := func(more ...string) string {
		t.Helper()
		return run(w.Gate, append([]string{"curl", "-sS", "-H", "Authorization: Bearer " + token, "http://127.0.0.1:9478/v1/doors/ssh/sources"}, more...)...)
	}
	document, err := os.ReadFile("../../docs/API.md")
	if err != nil {
		t.Fatal(err)
	}
	_, recipe, _ := strings.Cut(string(document), "exit 1  # keep what there is\n")
	recipe, _, _ = strings.Cut(recipe, "\n")
	edge := w.Client // any host with a firewall of its own
	run(edge, "nft", "add table inet edge; add set inet edge vpn { type ipv4_addr; flags interval; }")
	for _, open := range []bool{false, true, false} {
		want := ""
		if open {
			w.must(w.Gate, "open", "ssh", "--source", w.Client.IP4.String(), "--for", "1h", "-c", w.config)
			w.must(w.Gate, "open", "ssh", "--source", w.Client.IP6.String(), "--for", "1h", "-c", w.config)
			want = w.Client.IP4.String() + "\n" + w.Client.IP6.String() + "\n"
		} else {
			w.must(w.Gate, "revoke", "--all", "-c", w.config)
		}
		got := list()
		if got != want {
			t.Errorf("the list is %q, want %q", got, want)
		}
		run(edge, "sh", "-c", "list='"+strings.TrimSpace(got)+"'; "+recipe)
		if in := strings.Contains(run(edge, "nft", "list set inet edge vpn"), w.Client.IP4.String()); in != open {
			t.Errorf("at the other firewall the address is in: %v, want %v", in, open)
		}
		head := list("-D", "-", "-o", "/dev/null")
		_, tag, _ := strings.Cut(head, "Etag: ")
		tag, _, _ = strings.Cut(tag, "\r")
		if again := list("-H", "If-None-Match: "+tag, "-w", "%{http_code}"); again != "304" {
			t.Errorf("read again with its tag %s: %s", tag, again)
		}
	}
	if got := list("-o", "/dev/null", "-w", "%{http_code}", "--next", "-sS", "-o", "/dev/null", "-w", " %{http_code}", "-H", "Authorization: Bearer "+token, "http://127.0.0.1:9478/v1/status"); got != "200 403" {
		t.Errorf("the list's token is good for more: %s", got)
	}
	if got := run(w.Gate, "curl", "-sS", "--unix-socket", w.socket, "http://sallyport/v1/status"); !strings.Contains(got, `"doors"`) {
		t.Error(got)
	}
}
