//go:build linux

package page

import (
	"context"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rsc.io/qr"

	"sallyport/internal/lab"
	"sallyport/internal/lab/browser"
	"sallyport/internal/lab/labtest"
)

func TestMain(m *testing.M) { labtest.Main(m) }

//go:embed testdata/check.js
var checkScript string

// vectorsFor returns the vectors that a browser can follow: of the suite x25519.
func vectorsFor(t *testing.T) (list []map[string]any) {
	t.Helper()
	files, err := filepath.Glob("../spa/testdata/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		var all struct{ Vectors []map[string]any }
		readJSON(t, file, &all)
		for _, v := range all.Vectors {
			if v["suite"] != "x25519" {
				continue
			}
			if bound, _ := v["request"].(map[string]any)["bound"].(string); bound != "" {
				a := netip.MustParseAddr(bound).As16()
				v["bound16"] = hex.EncodeToString(a[:])
			}
			list = append(list, v)
		}
	}
	return list
}

func readJSON(t *testing.T, file string, v any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, v)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// codes are QR codes by another hand, of all versions that the page can draw.
func codes(t *testing.T) map[string][]string {
	t.Helper()
	list := make(map[string][]string)
	for _, n := range []int{1, 17, 18, 32, 53, 78, 81, 106, 134, 154, 170, 192, 230} {
		text := strings.Repeat("ssh-ed25519 AAAA ", 14)[:n]
		code, err := qr.Encode(text, qr.L)
		if err != nil {
			t.Fatal(err)
		}
		var rows []string
		for y := range code.Size {
			row := ""
			for x := range code.Size {
				row += map[bool]string{false: "0", true: "1"}[code.Black(x, y)]
			}
			rows = append(rows, row)
		}
		list[text] = rows
	}
	return list
}

// Each browser computes what the documents say: our messages and sequences, the
// ciphers of the RFCs, and QR codes.
func TestVectorsInBrowsers(t *testing.T) {
	var all, sequences []map[string]any
	readJSON(t, "../sequence/testdata/rotating.json", &all)
	for _, s := range all {
		if s["proto"] == "tcp" {
			sequences = append(sequences, s)
		}
	}
	data, err := json.Marshal(map[string]any{"vectors": vectorsFor(t), "sequences": sequences, "codes": codes(t)})
	if err != nil {
		t.Fatal(err)
	}
	script := Script()
	script = script[:strings.Index(script, "// The last script")]
	page := "<!DOCTYPE html><meta charset=utf-8><body><script>" + script + "const { vectors, sequences, codes } = " + string(data) + ";\n" + checkScript + "</script>"
	path := filepath.Join(t.TempDir(), "check.html")
	if err := os.WriteFile(path, []byte(page), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, kind := range browser.Kinds {
		t.Run(kind, func(t *testing.T) {
			labtest.Need(t, "browser", kind)
			b := open(t, labtest.New(t, lab.Options{}).Client, kind, "file://"+path)
			if err := b.Wait("document.body.id === 'done'"); err != nil {
				t.Fatal(err)
			}
			var result struct {
				Checked int
				Faults  []string
			}
			if err := json.Unmarshal([]byte(b.Text("body")), &result); err != nil {
				t.Fatal(err)
			}
			if result.Checked < 40 {
				t.Errorf("only %d values were compared", result.Checked)
			}
			for _, f := range result.Faults {
				t.Error(f)
			}
		})
	}
}

// open starts a browser with a page.
func open(t *testing.T, h *lab.Host, kind, url string) *browser.Browser {
	t.Helper()
	// Not with t.Context, which ends before the cleaning up: a browser that is
	// killed leaves processes behind that still write to its folder.
	b, err := browser.Start(context.Background(), h, kind, browser.Options{Profile: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := b.Open(url); err != nil {
		t.Fatal(err)
	}
	return b
}
