//go:build linux && !client_only

package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// onGate asks programs on the gate, over its loopback interface.
func (w *world) onGate() *http.Client {
	return &http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return w.Gate.Dial(ctx, network, address)
		},
	}}
}

// A place on the web that cannot be reached at first hears of everything in the
// end, in order, also of what happened before the daemon was killed.
func TestWebhookThatIsDown(t *testing.T) {
	t.Parallel()
	w := newGuarded(t, briefly(sshDoor)+`
[[webhook]]
url = "http://127.0.0.1:8099/hook"
format = "ecs"
on = ["grant", "expiry"]
`)
	// Although nobody listens to the webhook.
	w.expires(w.Client, "tcp", at(w.Client, 22), func() { w.knock(w.Client, w.Client.Gate4, sshKnocks...) })
	w.eventually("both messages wait", func() bool { return strings.Count(w.log.String(), "msg=expiry") == 1 && w.waiting() == 2 })
	w.kill()
	told := w.listenForWebhooks("127.0.0.1:8099")
	w.start()
	for _, want := range []string{"grant", "expiry"} {
		select {
		case text := <-told:
			var m struct {
				Event  struct{ Action string }
				Source struct{ IP netip.Addr }
			}
			if err := json.Unmarshal([]byte(text), &m); err != nil || m.Event.Action != want || m.Source.IP != w.Client.IP4 {
				t.Errorf("want %s, told %s", want, text)
			}
		case <-time.After(patience):
			t.Fatalf("never told of the %s", want)
		}
	}
	w.eventually("nothing waits any more", func() bool { return w.waiting() == 0 })
}

// waiting counts the messages on the disk.
func (w *world) waiting() int {
	found, err := filepath.Glob(filepath.Join(w.dir, "state", "webhooks", "*", "*.json"))
	if err != nil {
		w.t.Fatal(err)
	}
	return len(found)
}

// listenForWebhooks is a place on the web, on the gate itself.
func (w *world) listenForWebhooks(address string) <-chan string {
	w.t.Helper()
	listener, err := w.Gate.Listen("tcp", address)
	if err != nil {
		w.t.Fatal(err)
	}
	told := make(chan string, 100)
	server := &http.Server{ReadHeaderTimeout: patience, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		told <- string(text)
	})}
	go func() { _ = server.Serve(listener) }()
	w.t.Cleanup(func() { server.Close() })
	return told
}

// Prometheus reads what has happened in the daemon.
func TestMetricsOfADoor(t *testing.T) {
	t.Parallel()
	w := newGuarded(t, sshDoor+"\n[metrics]\nlisten = \"127.0.0.1:9477\"\n")
	w.knock(w.Client, w.Client.Gate4, sshKnocks[0], sshKnocks[2])
	w.knock(w.Client, w.Client.Gate4, sshKnocks...)
	w.open(w.Client, "tcp", at(w.Client, 22))
	client := w.onGate()
	for _, want := range []string{
		`sallyport_grants_total{door="ssh",reason="sequence"} 1`,
		`sallyport_grants{door="ssh"} `,
		`sallyport_refusals_total{reason="wrong-knock"} 1`,
		`sallyport_opening_seconds_count 1`,
		`sallyport_uses_total{door="ssh"} 1`,
		`sallyport_doors 1`,
		`sallyport_capture_received_total{ring="`,
		`sallyport_journal_lost_total 0`,
	} {
		w.eventually(want, func() bool {
			response, err := client.Get("http://127.0.0.1:9477/metrics")
			if err != nil {
				return false
			}
			defer response.Body.Close()
			text, err := io.ReadAll(response.Body)
			return err == nil && strings.Contains(string(text), want)
		})
	}
}
