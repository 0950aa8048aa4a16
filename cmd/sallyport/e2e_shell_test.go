//go:build linux && !client_only

package main

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"sallyport/internal/lab/labtest"
)

// The client in docs/PROTOCOL.md, word for word, opens doors of the real
// daemon.
func TestShellClientInTheDocuments(t *testing.T) {
	text, err := os.ReadFile("../../docs/PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("(?s)```bash\n(host=.*?)```").FindSubmatch(text)
	if found == nil {
		t.Fatal("docs/PROTOCOL.md has no client")
	}
	script := string(found[1])
	if lines := strings.Count(script, "\n"); lines > 14 {
		t.Errorf("%d lines are more than a dozen", lines)
	}
	for _, c := range []struct{ proto, gate string }{{"tcp", ""}, {"udp", ""}, {"both", ""}, {"tcp", "tokyo"}} {
		proto := c.proto
		t.Run(proto+c.gate, func(t *testing.T) {
			t.Parallel()
			labtest.Need(t, "netns", "bash", "openssl", "timeout")
			gate := ""
			if c.gate != "" {
				gate = fmt.Sprintf("[gate]\nname = %q\n", c.gate)
			}
			w := newGuarded(t, gate+fmt.Sprintf("[rotating]\nproto = %q\n", proto)+bobsDoor)
			w.closed(w.Client, "tcp", at(w.Client, 22))
			mine := strings.Replace(script, "proto=tcp", "proto="+proto, 1)
			if proto == "tcp" && mine != script {
				t.Fatal("the script has been changed")
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			out, err := w.Client.Command(ctx, "bash", "-c", mine, "knock", w.Client.Gate4.String(), "ssh", bobsSecret, c.gate).CombinedOutput()
			if len(out) > 0 {
				t.Errorf("%v: %s", err, out)
			}
			w.open(w.Client, "tcp", at(w.Client, 22))
			w.ends(w.Client, "tcp", at(w.Client, 22))
		})
	}
}
