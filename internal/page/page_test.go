package page

import (
	"bytes"
	"compress/gzip"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func made(t *testing.T, profiles ...string) string {
	t.Helper()
	html, err := HTML(Options{Profiles: profiles, Made: time.Unix(1700000000, 0)})
	if err != nil {
		t.Fatal(err)
	}
	return string(html)
}

// The page fits a slow network.
func TestSize(t *testing.T) {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(made(t))); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes, %d with gzip", len(made(t)), b.Len())
	if b.Len() > 30_000 {
		t.Errorf("%d bytes with gzip", b.Len())
	}
}

// What a file holds besides cannot leave its element, and the script cannot make
// markup, code or requests.
func TestNothingGetsOut(t *testing.T) {
	hostile := "</script><script>alert(1)</script><!--"
	page := made(t, hostile)
	if strings.Contains(page, hostile) || strings.Count(page, "</script>") != 2 {
		t.Error("a profile has become markup")
	}
	for _, bad := range []string{"innerHTML", "insertAdjacent", "document.write", "eval(", "fetch(", "XMLHttp", "WebSocket", "import(", "iceServers: [{", "src="} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	if !strings.Contains(page, "default-src &#39;none&#39;") {
		t.Error("the policy is not that")
	}
}

func TestLink(t *testing.T) {
	link := Link{Host: netip.MustParseAddr("2001:db8::1"), Doors: []Door{{"ssh", time.Hour}, {"web", 0}}, Secret: "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", Shape: "5 tcp 1024-32767", Gate: "tokyo", Issued: time.Unix(1800000000, 0)}
	want := "sallyport://[2001:db8::1]?d=ssh%2Cweb&g=tokyo&o=3600%2C0&r=5%2Ctcp%2C1024-32767&s=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&t=1800000000"
	if got := link.Text(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
