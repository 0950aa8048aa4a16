package plainjson

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"testing"
	"time"
)

type inner struct {
	Name  string `json:"name"`
	Empty string `json:"empty,omitempty"`
	Port  uint16 `json:"port"`
}

type outer struct {
	Text    string        `json:"text"`
	Hidden  string        `json:"-"`
	Number  int           `json:"number"`
	Yes     bool          `json:"yes"`
	Wait    time.Duration `json:"wait"`
	At      time.Time     `json:"at"`
	Never   time.Time     `json:"never,omitzero"`
	Address netip.Addr    `json:"address,omitzero"`
	List    []string      `json:"list"`
	None    []string      `json:"none,omitempty"`
	Inner   inner         `json:"inner"`
	Inners  []inner       `json:"inners"`
}

// reference is how the whole program writes JSON.
func reference(t *testing.T, v any) string {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func same(t *testing.T, v any) {
	t.Helper()
	if got, want := string(Indented(v)), reference(t, v); got != want {
		t.Errorf("%+v:\n%s\nwant\n%s", v, got, want)
	}
}

// Programs that read the client's JSON cannot see which client has written it.
func TestAsEncodingJSON(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.FixedZone("", 9*3600))
	for _, v := range []any{
		struct{}{}, "", []string{}, []string(nil), []inner{}, [][]string{{}, {"a"}, nil}, 0, -1, uint64(1<<64 - 1), true,
		0.0, -0.25, 12.345678901, 1e-6, 9.99e-7, 1.5e-12, 1e20, 1e21, -2.5e300,
		inner{}, outer{}, outer{List: []string{}, Inners: []inner{}},
		outer{
			Text: "日本語 <&>", Hidden: "no", Number: -7, Yes: true, Wait: time.Second, At: at, Never: at, Address: netip.MustParseAddr("fe80::1%eth0"),
			List: []string{"a", "b"}, None: []string{"c"}, Inner: inner{"n", "e", 22}, Inners: []inner{{"x", "", 0}, {}},
		},
	} {
		same(t, v)
	}
}

func FuzzString(f *testing.F) {
	for _, s := range []string{"", "\x00\b\f\n\r\t\v\x1f\x7f\"\\/", "\u2028\u2029\ufffd", "\xff\xed\xa0\x80", "\x1b[31m日本語😀"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { same(t, []inner{{Name: s}}) })
}
