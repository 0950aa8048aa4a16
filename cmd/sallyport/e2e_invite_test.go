//go:build linux && !client_only

package main

import (
	"crypto/ed25519"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"

	"sallyport/client"
	"sallyport/internal/enrolled"
	"sallyport/internal/enrolled/kept"
	"sallyport/internal/invite"
	"sallyport/internal/lab"
	"sallyport/internal/lab/labtest"
	"sallyport/internal/spa"
	"sallyport/internal/sshauth"
)

// inviteWorld is a gate that knows nobody, and a client with an empty home.
type inviteWorld struct{ *clientWorld }

const inviteConfig = "[spa]\nport = 40321\nstun = true\n[[door]]\nname = \"ssh\"\nports = [\"tcp/22\"]\nopen_for = \"1h\"\n"

func newInviteWorld(t *testing.T) *inviteWorld {
	t.Helper()
	w := &inviteWorld{&clientWorld{world: newWorld(t, lab.Options{})}}
	w.move()
	w.serve("tcp", 22)
	w.configure(inviteConfig)
	w.start()
	return w
}

// move gives the client a home without anything in it, as another device has.
func (w *inviteWorld) move() {
	w.home = w.t.TempDir()
	w.env = []string{"HOME=" + w.home, "XDG_CONFIG_HOME=" + filepath.Join(w.home, ".config"), "SSH_AUTH_SOCK="}
}

// onGate runs a command on the gate.
func (w *inviteWorld) onGate(args ...string) string {
	return w.must(w.Gate, append(args, "-c", w.config)...)
}

func (w *inviteWorld) invite(name string, more ...string) string {
	w.t.Helper()
	link := strings.TrimSpace(w.onGate(append([]string{"client", "invite", name, "--door", "ssh", "--host", w.Client.Gate4.String()}, more...)...))
	if !strings.Contains(link, "sallyport://") {
		w.t.Fatalf("no link: %q", link)
	}
	return link
}

// fails requires that a link enrols nobody, and returns what is said.
func (w *inviteWorld) fails(link string) string {
	w.t.Helper()
	out, errs, status := w.try("join", link, "--yes", "--as", "other", "--timeout", "1s")
	if status != 1 {
		w.t.Errorf("status %d\n%s%s", status, out, errs)
	}
	if _, err := os.Stat(filepath.Join(w.home, ".config", "sallyport", "profiles", "other.profile")); err == nil {
		w.t.Error("there is a profile although nobody has answered")
	}
	return errs
}

func (w *inviteWorld) knocks(profile string) {
	w.t.Helper()
	w.closed(w.Client, "tcp", at(w.Client, 22))
	w.do("knock", profile)
	if w.probe(w.Client, "tcp", at(w.Client, 22)) != lab.Open {
		w.t.Error("the door is not open")
	}
	w.do("close", profile)
	w.closed(w.Client, "tcp", at(w.Client, 22))
}

func (w *inviteWorld) listed(want string) {
	w.t.Helper()
	if list := w.onGate("client", "list"); !strings.Contains(list, want) {
		w.t.Errorf("%q is not in the list\n%s", want, list)
	}
}

func TestInvitedDeviceKnocks(t *testing.T) {
	t.Parallel()
	w := newInviteWorld(t)
	link := w.invite("phone", "--label", "Alice's phone")
	w.listed("open invite until")
	if _, _, status := w.try("knock", "gate"); status == 0 {
		t.Error("there is a profile before anything")
	}
	_, errs, status := w.try("join", link)
	if status != 1 || !strings.Contains(errs, "its key") || !strings.Contains(errs, "--yes") {
		t.Errorf("without anybody to ask: %d %s", status, errs)
	}
	out := w.do("join", link, "--yes", "--as", "gate")
	if !strings.Contains(out, `added the profile "gate"`) {
		t.Error(out)
	}
	w.listed("Alice's phone")
	w.listed("ssh-ed25519 SHA256:")
	w.knocks("gate")
	w.eventually("it is in the journal", func() bool {
		return strings.Contains(w.onGate("events", "--kind", "enrolment"), "enrolled by an invite")
	})

	// Once used it is worth nothing to another device, and that is told.
	w.move()
	if said := w.fails(link); !strings.Contains(said, "has been used by another device") {
		t.Error(said)
	}
	w.eventually("the second use is a finding", func() bool { return strings.Contains(w.onGate("findings"), `the invite for client "phone"`) })
	// A profile is never replaced.
	second := w.invite("second")
	w.do("join", second, "--yes", "--as", "gate")
	third := w.invite("third")
	if _, errs, status := w.try("join", third, "--yes", "--as", "gate"); status != 1 || !strings.Contains(errs, "left alone") {
		t.Errorf("%d %s", status, errs)
	}
	w.knocks("gate")

	// Neither a reload, nor a trial, nor a restart, nor a broken file takes it away.
	w.onGate("reload")
	w.knocks("gate")
	w.configure(inviteConfig + "[[door]]\nname = \"web\"\nports = [\"tcp/443\"]\n")
	w.onGate("reload", "--confirm", "30s", "--force")
	w.knocks("gate")
	w.onGate("confirm")
	w.stop()
	w.configure("[[door]\n")
	w.start()
	w.knocks("gate")
	w.configure(inviteConfig)
	w.onGate("reload", "--force")

	// The configuration wins over what is enrolled.
	w.configure(inviteConfig + "[[client]]\nname = \"second\"\ndoors = [\"ssh\"]\nkey = \"" + newProver(t).authorized() + "\"\n")
	w.onGate("reload", "--force")
	if s := w.status(); !strings.Contains(fmt.Sprint(s.Problems), `the enrolled client "second" cannot knock`) {
		t.Errorf("%q", s.Problems)
	}
	if out, errs, _ := w.run(w.Gate, "check", "--offline", "-c", w.config); !strings.Contains(out+errs, `"second" cannot knock`) {
		t.Errorf("check says\n%s%s", out, errs)
	}
	if _, _, status := w.try("knock", "gate", "--timeout", "1s"); status != 1 {
		t.Error("a client that is left out knocks")
	}
	w.configure(inviteConfig)
	w.onGate("reload", "--force")
	w.knocks("gate")

	// Who has been removed cannot knock, and the invite does not come back.
	w.do("knock", "gate")
	w.onGate("client", "remove", "second", "--force")
	w.closed(w.Client, "tcp", at(w.Client, 22))
	if _, _, status := w.try("knock", "gate", "--timeout", "1s"); status != 1 {
		t.Error("a removed client knocks")
	}
	w.fails(second)
	w.kill()
	w.start()
	w.fails(second)
	// An invite that was taken back is worth nothing.
	w.onGate("client", "remove", "third")
	w.fails(third)
	if list := w.onGate("client", "list"); strings.Contains(list, "third") || strings.Contains(list, "second") || !strings.Contains(list, "phone") {
		t.Errorf("the list\n%s", list)
	}
	// Where no UDP gets out, the secret that came with the enrolment opens the door, while
	// the client is there.
	w.do("join", w.invite("walled", "--rotating"), "--yes", "--as", "walled")
	w.closed(w.Client, "tcp", at(w.Client, 22))
	w.do("knock", "--rotating", "walled")
	w.open(w.Client, "tcp", at(w.Client, 22))
	w.onGate("client", "remove", "walled", "--force")
	w.closed(w.Client, "tcp", at(w.Client, 22))
	// Without a daemon, too, for the leaver's last day.
	w.kill()
	w.onGate("client", "remove", "phone", "--force")
	w.start()
	if list := w.onGate("client", "list"); strings.Contains(list, "phone") {
		t.Errorf("the list\n%s", list)
	}
}

// device is a key that is being enrolled, without the program.
type device struct {
	link   *client.Invite
	public ssh.PublicKey
}

func (w *inviteWorld) device(name string) (d device, l invite.Link) {
	w.t.Helper()
	text := w.invite(name)
	l, err := invite.Parse(text)
	if err != nil {
		w.t.Fatal(err)
	}
	public, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	d.public, err = ssh.NewPublicKey(public)
	if err != nil {
		w.t.Fatal(err)
	}
	d.link, err = client.ParseInvite(text)
	if err != nil {
		w.t.Fatal(err)
	}
	return d, l
}

// seal makes an enrolling message.
func (d device) seal(t *testing.T, l invite.Link) *spa.Sealed {
	t.Helper()
	signer, err := ssh.NewSignerFromKey(ed25519.NewKeyFromSeed(l.Seed))
	if err != nil {
		t.Fatal(err)
	}
	key := d.public.(ssh.CryptoPublicKey).CryptoPublicKey().(ed25519.PublicKey)
	m, err := spa.Seal(l.ServerKey, spa.Header{Op: spa.Enrol, Ack: true, Client: sshauth.ID(signer.PublicKey()), Time: time.Now()}, netip.Addr{},
		spa.Enrolling{Invite: sshProver{signer}, Kind: spa.KindEd25519, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

type sshProver struct{ ssh.Signer }

func (s sshProver) ProofSize() int                       { return ed25519.SignatureSize }
func (s sshProver) Prove(message []byte) ([]byte, error) { return sshauth.Sign(s.Signer, message) }

// enrolsAtLast sends messages until one is answered.
func (w *inviteWorld) enrolsAtLast(d device, l invite.Link) {
	w.t.Helper()
	s := &spaWorld{world: w.world}
	w.eventually("the device is enrolled", func() bool { return s.tryAsk(d.seal(w.t, l), 1200*time.Millisecond) })
}

// The daemon is killed at any moment of an enrolment. Whatever had been written, the
// same key succeeds afterwards, once, and no other key does.
func TestKilledWhileItEnrols(t *testing.T) {
	t.Parallel()
	w := newInviteWorld(t)
	rounds := labtest.Rounds(2, 50)
	random := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 2))
	s := &spaWorld{world: w.world}
	nothing, written, answered := 0, 0, 0
	for round := range rounds {
		name := fmt.Sprintf("device%d", round)
		d, l := w.device(name)
		killer := time.AfterFunc(time.Duration(random.Int64N(int64(12*time.Millisecond))), func() { w.daemon.Process.Kill() })
		told := s.tryAsk(d.seal(t, l), 100*time.Millisecond)
		killer.Stop()
		w.kill()
		list, _, err := kept.Of(filepath.Join(w.dir, "state")).Read()
		used := slices.ContainsFunc(list, func(r enrolled.Record) bool { return r.Name == name && r.Use != nil })
		switch {
		case err != nil || told && !used:
			t.Fatalf("answered, and nothing is written down: %v", err)
		case told:
			answered++
		case used:
			written++
		default:
			nothing++
		}
		w.start()
		w.enrolsAtLast(d, l)
		w.listed(name)
		other, _ := w.device(name + "x")
		if s.tryAsk(other.seal(t, l), 300*time.Millisecond) {
			t.Fatal("another key is enrolled by the same invite")
		}
		w.onGate("client", "remove", name+"x")
		if n := strings.Count(w.onGate("client", "list"), name+" "); n != 1 {
			t.Errorf("%d clients %q", n, name)
		}
	}
	t.Logf("of %d rounds, when the daemon died: in %d nothing was written, in %d written and not answered, in %d answered", rounds, nothing, written, answered)
}

// On a full disk nobody is enrolled and nothing is answered; with room again the same
// device succeeds.
func TestEnrolmentOnAFullDisk(t *testing.T) {
	t.Parallel()
	w := newInviteWorld(t)
	d, l := w.device("phone")
	w.stop()
	small := filepath.Join(w.dir, "state", "enrolled")
	kept, err := os.ReadDir(small)
	if err != nil || len(kept) != 1 {
		t.Fatalf("%v, %v", kept, err)
	}
	record, err := os.ReadFile(filepath.Join(small, kept[0].Name()))
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", small, "tmpfs", 0, "size=64k,mode=0700"); err != nil {
		t.Skipf("cannot mount a small disk: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(small, unix.MNT_DETACH) })
	if err := os.WriteFile(filepath.Join(small, kept[0].Name()), record, 0o600); err != nil {
		t.Fatal(err)
	}
	filler := filepath.Join(small, ".filler")
	_ = os.WriteFile(filler, make([]byte, 1<<20), 0o600) // as much as there is room for
	w.start()
	s := &spaWorld{world: w.world}
	if s.tryAsk(d.seal(t, l), 500*time.Millisecond) {
		t.Error("an answer, although nothing can be written down")
	}
	w.eventually("it is told", func() bool { return strings.Contains(w.log.String(), "no space left") })
	if list := w.onGate("client", "list"); strings.Contains(list, "ssh-ed25519") {
		t.Errorf("the list\n%s", list)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	w.enrolsAtLast(d, l)
	w.listed("ssh-ed25519")
}

// A page takes an invite: its key is made in the browser, enrolled by the gate, and
// opens the door; where messages do not get through, the secret that came with it does.
func TestPageEnrolsItself(t *testing.T) {
	inBrowsers(t, func(t *testing.T, p *pocket) {
		w := p.w
		invite := func(name string) string {
			text := w.must(w.Gate, "client", "invite", name, "--door", "ssh", "--host", w.Client.Gate4.String(), "--page", "https://knock.test/k.html", "--rotating", "-c", w.config)
			_, link, ok := strings.Cut(strings.TrimSpace(text), "https://knock.test/k.html#")
			if !ok {
				t.Fatalf("no link: %s", text)
			}
			return link
		}
		list := func() string { return w.must(w.Gate, "client", "list", "-c", w.config) }
		p.add(invite("phone"))
		w.eventually("the device is a client", func() bool { return strings.Contains(list(), "phone") && !strings.Contains(list(), "open invite") })
		w.opens(w.Client, "tcp", at(w.Client, 22), func() {
			p.tap("ssh", "open")
			w.open(w.Client, "tcp", at(w.Client, 22))
			w.closed(w.Attacker, "tcp", at(w.Attacker, 22))
		})
		w.ends(w.Client, "tcp", at(w.Client, 22))

		// Messages of browsers are not taken any more: the sequence opens.
		text, err := os.ReadFile(w.config)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(w.config, []byte(strings.Replace(string(text), "stun = true", "stun = false", 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		w.must(w.Gate, "reload", "--force", "-c", w.config)
		p.tap("ssh", "sent")
		w.open(w.Client, "tcp", at(w.Client, 22))

		// It ends with the client.
		w.must(w.Gate, "client", "remove", "phone", "--force", "-c", w.config)
		w.closed(w.Client, "tcp", at(w.Client, 22))
		p.tap("ssh", "sent")
		w.closed(w.Client, "tcp", at(w.Client, 22))
	})
}
