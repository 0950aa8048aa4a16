package spa

import (
	"testing"
	"time"

	"sallyport/internal/key"
)

func TestDiagnose(t *testing.T) {
	hybrid, small, other := newKey(t, key.Hybrid), newKey(t, key.X25519), newKey(t, key.X25519)
	o := NewOpener(key.NewKeyring(hybrid).Rotate(small, noon.Add(time.Hour)), skew)
	for _, tc := range []struct {
		name string
		to   key.Private
		off  time.Duration
		want bool
	}{
		{"3h12m behind", small, -3*time.Hour - 12*time.Minute, true},
		{"an epoch ahead", hybrid, key.EpochLength + skew, true},
		{"a day behind", small, -24 * time.Hour, true},
		{"a day ahead", hybrid, 24 * time.Hour, true},
		{"a week behind", small, -7 * 24 * time.Hour, false},
		{"another server's", other, -time.Hour, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			datagram := sealed(t, tc.to, request(noon.Add(tc.off)), fixed(64)).Datagram
			if _, reason := open(o, noon, datagram); reason != BadTag {
				t.Fatalf("refused as %q", reason)
			}
			m, ok := o.Diagnose(noon, datagram)
			if ok != tc.want {
				t.Fatalf("diagnosed: %v", ok)
			}
			if ok && m.Header.Time.Sub(noon) != tc.off {
				t.Errorf("off by %v", m.Header.Time.Sub(noon))
			}
		})
	}
	for _, junk := range [][]byte{nil, make([]byte, 144), make([]byte, 1232), make([]byte, 100)} {
		if _, ok := o.Diagnose(noon, junk); ok {
			t.Errorf("%d bytes of junk diagnosed", len(junk))
		}
	}
	damaged := sealed(t, small, request(noon.Add(-time.Hour)), fixed(64)).Datagram
	damaged[100] ^= 1
	if _, ok := o.Diagnose(noon, damaged); ok {
		t.Error("a damaged message diagnosed: its time is not to be believed")
	}
}

// The keys are those of Check: each tag that it accepts within the time, and
// no other, fits one of them.
func TestMoatKeys(t *testing.T) {
	small, hybrid := newKey(t, key.X25519), newKey(t, key.Hybrid)
	o := NewOpener(key.NewKeyring(hybrid).Rotate(small, noon.Add(time.Hour)), skew)
	to := noon.Add(key.EpochLength)
	keys := o.MoatKeys(noon, to)
	for _, private := range []key.Private{small, hybrid} {
		for off := -4 * key.EpochLength; off <= 5*key.EpochLength; off += 16 * time.Second {
			datagram := sealed(t, private, request(noon.Add(off)), fixed(64)).Datagram
			want := false
			for now := noon; !now.After(to); now = now.Add(time.Second) {
				if _, reason := o.Check(now, datagram); reason == "" {
					want = true
				}
			}
			if got := fitsAny(keys, private.Public().Suite(), datagram); got != want {
				t.Errorf("%v, off by %v: filter says %v, Check says %v", private.Public().Suite(), off, got, want)
			}
		}
	}
	rotated := NewOpener(key.NewKeyring(hybrid).Rotate(newKey(t, key.Hybrid), noon.Add(time.Hour)), skew)
	if soon, late := len(rotated.MoatKeys(noon, noon)), len(rotated.MoatKeys(noon.Add(2*time.Hour), noon.Add(2*time.Hour))); soon != 2*late {
		t.Errorf("%d keys before the end of the previous server key, %d after it", soon, late)
	}
}

func fitsAny(keys []MoatKey, suite key.Suite, datagram []byte) bool {
	for _, k := range keys {
		w := window{moats: []moat{newMoat(k.Key)}}
		if _, ok := w.find(datagram[:frontSize]); ok && k.Suite == suite {
			return true
		}
	}
	return false
}
