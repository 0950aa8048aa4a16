//go:build linux && !client_only

package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"sallyport/internal/lab"
)

// Where no time server can be asked, that is a warning: the acknowledgement
// holds the time too.
func TestDoctorWithoutATimeServer(t *testing.T) {
	t.Parallel()
	w := newClientWorld(t, lab.Options{}, nil)
	out := w.do("doctor", "gate", "--ntp", w.Client.Gate4.String()) // nobody is there
	for _, want := range []string{"warn  clock", "ok    knock", "off, by the server"} {
		if !strings.Contains(out, want) {
			t.Errorf("want %q in\n%s", want, out)
		}
	}
	if _, errs, status := w.try("knock", "gate", "--for", "2h"); status != 0 || !strings.Contains(errs, "asked for 2h, and door \"ssh\" is open for ") {
		t.Errorf("asked for more than there is: status %d\n%s", status, errs)
	}
}

// The size is judged by the route and not by the interface.
func TestDoctorKnowsTheRoute(t *testing.T) {
	t.Parallel()
	w := newClientWorld(t, lab.Options{}, nil)
	for _, prefix := range []string{"192.0.2.1/32", "2001:db8:1::1/128"} {
		err := w.Client.Do(func() error {
			link, err := netlink.LinkByName("eth0")
			if err != nil {
				return err
			}
			// 1,280 is the least for IPv6, and 28 more are what the message needs with IPv4.
			return netlink.RouteReplace(&netlink.Route{Dst: ipNet(prefix), LinkIndex: link.Attrs().Index, MTU: map[bool]int{true: 1259, false: 1279}[strings.Contains(prefix, ".")]})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	out, _, status := w.try("doctor", "gate", "--ntp", "off")
	if status != 1 || !strings.Contains(out, "has 1260 bytes, and the route carries 1259") {
		t.Errorf("status %d\n%s", status, out)
	}
}

// A profile with a rotating secret alone needs no SSH key and gets no answer.
func TestDoctorWithARotatingProfile(t *testing.T) {
	t.Parallel()
	w := newGuarded(t, bobsDoor)
	home := t.TempDir()
	w.env = []string{"HOME=" + home, "XDG_CONFIG_HOME=" + filepath.Join(home, ".config"), "SSH_AUTH_SOCK="}
	uri := fmt.Sprintf("sallyport://%s?d=ssh&r=5%%2Ctcp%%2C1024-32767&s=%s", w.Client.Gate4, bobsSecret)
	_, errs, status := w.run(w.Client, "add", uri)
	if status != 0 || !strings.Contains(errs, "the secret was an argument") {
		t.Fatalf("add: status %d\n%s", status, errs)
	}
	name := "192.0.2.1"
	out := w.must(w.Client, "doctor", name, "--ntp", "off")
	if !strings.Contains(out, "ok    secret") || !strings.Contains(out, "sent 5 knocks to 192.0.2.1") {
		t.Errorf("doctor says\n%s", out)
	}
	w.open(w.Client, "tcp", at(w.Client, 22))
	// Within the same half minute that is no failure, and once more is said, with what to wait for.
	if out := w.must(w.Client, "doctor", name, "--ntp", "off"); !strings.Contains(out, "knock") {
		t.Errorf("doctor says\n%s", out)
	}
}

// The URI of a QR code can come from a file or standard input, where nobody
// sees it.
func TestAddAURIThatNobodySees(t *testing.T) {
	emptyHome(t)
	uri := "sallyport://gate.example.org?d=web&r=5%2Ctcp%2C1024-32767&s=" + bobsSecret
	path := filepath.Join(t.TempDir(), "uri")
	if err := os.WriteFile(path, []byte(uri+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"add", "-"}, {"add", path, "--replace"}} {
		out, errs, status := call(t, uri+"\n", args...)
		if status != 0 || errs != "" || strings.Contains(out, "ssh") || !strings.Contains(out, "sallyport knock gate") {
			t.Errorf("%q: status %d\n%s%s", args, status, out, errs)
		}
	}
	if _, errs, status := call(t, "", "add", uri, "--replace"); status != 0 || !strings.Contains(errs, "sallyport add -") || strings.Contains(errs, bobsSecret) {
		t.Errorf("as an argument: status %d\n%s", status, errs)
	}
}

func ipNet(prefix string) *net.IPNet {
	_, n, err := net.ParseCIDR(prefix)
	if err != nil {
		panic(err)
	}
	return n
}
