package sender

import "testing"

func TestInternationalNames(t *testing.T) {
	for host, want := range map[string]string{
		"日本語.jp": "xn--wgv71a119e.jp", "ゲート。日本語.jp": "xn--sck1b1i.xn--wgv71a119e.jp", "１９２.０.２.７": "192.0.2.7",
		"gate.example.org": "gate.example.org", "under_score.example": "under_score.example", "fe80::1%eth0": "fe80::1%eth0",
	} {
		if got, err := ASCII(host); got != want || err != nil {
			t.Errorf("%q is %q, %v, want %q", host, got, err, want)
		}
	}
	for _, host := range []string{"日本 語.jp", "\u202e日本.jp", "日本/語.jp"} {
		if got, err := ASCII(host); err == nil {
			t.Errorf("%q has become %q", host, got)
		}
	}
	for host, want := range map[string]string{"xn--wgv71a119e.jp": "xn--wgv71a119e.jp (日本語.jp)", "gate.example.org": "gate.example.org", "2001:db8::1": "2001:db8::1"} {
		if got := Unicode(host); got != want {
			t.Errorf("%q is shown as %q", host, got)
		}
	}
}
