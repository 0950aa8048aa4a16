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
