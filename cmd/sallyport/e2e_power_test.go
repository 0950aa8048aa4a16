//go:build linux && !client_only

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/atomicfile"
	"sallyport/internal/lab"
	"sallyport/internal/lab/labtest"
	"sallyport/internal/packet"
)

// powerWorld is a gate with all its files on a disk that loses power.
type powerWorld struct {
	*spaWorld
	disk *recorder
	boot string // a file that names the boot of the machine
	base string // what every version of the configuration begins with

	mu        sync.Mutex
	done      []done
	sequences [][]packet.Port // those that have not been used
}

// done is something that must not come undone, and how much the disk had been
// asked for when it was said to be so.
type done struct {
	when     int
	datagram []byte        // was answered
	sequence []packet.Port // has opened
	port     uint16        // was closed
}

func (p *powerWorld) note(d done) {
	p.mu.Lock()
	defer p.mu.Unlock()
	d.when = p.disk.now()
	p.done = append(p.done, d)
}

// A machine loses power at any moment while its gate writes all that it keeps:
// messages, used sequences, bans, grants, the configuration in force and the journal.
// It starts again with what the disk has by then, and nothing that was used can be
// used again, nothing that was closed is open.
func TestPowerLoss(t *testing.T) {
	labtest.Need(t, "disks", "mke2fs", "nft")
	if os.Getuid() != 0 {
		t.Skip("only root can mount a disk")
	}
	dir := t.TempDir()
	disk := newRecorder(t, "/dev/nbd0", make([]byte, diskSize))
	disk.format()
	disk.mount(dir)
	p := newPowerWorld(t, dir, disk)
	unix.Sync() // what was set up is not what is tried
	begin := disk.now()
	p.work()
	p.kill()
	disk.unmount(dir)
	disk.detach()
	if len(p.done) < 20 {
		t.Fatalf("%d things were done only", len(p.done))
	}
	t.Logf("%d things done, %d writes and flushes", len(p.done), len(disk.log)-begin)
	random := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	for round := range 50 {
		when := begin + random.IntN(len(disk.log)-begin)
		if round%2 == 0 { // right after something was done
			when = min(p.done[random.IntN(len(p.done))].when+random.IntN(3), len(disk.log))
		}
		// A device takes a while until it can be lent again.
		p.again(fmt.Sprintf("/dev/nbd%d", 1+round%15), dir, when, random)
		if t.Failed() {
			t.Fatalf("round %d: the power was lost after %d of %d writes and flushes", round+1, when, len(disk.log))
		}
	}
}

func newPowerWorld(t *testing.T, dir string, disk *recorder) *powerWorld {
	t.Helper()
	boot := filepath.Join(t.TempDir(), "boot_id")
	newBoot(t, boot)
	if err := unix.Mount(boot, "/proc/sys/kernel/random/boot_id", "", unix.MS_BIND, ""); err != nil {
		t.Fatalf("name the boot: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount("/proc/sys/kernel/random/boot_id", 0) })
	p := &powerWorld{spaWorld: newSPAWorldIn(t, dir, newProver(t), ""), disk: disk, boot: boot}
	list := filepath.Join(dir, "list")
	var lines strings.Builder
	for i := range 60 {
		var s []packet.Port
		for k := range 3 {
			s = append(s, packet.Port{Proto: packet.TCP, Number: uint16(7000 + i*9 + (2+k*4+i%2)%9)})
		}
		p.sequences = append(p.sequences, s)
		fmt.Fprintln(&lines, strings.Join(words(s), " "))
	}
	p.store(list, lines.String())
	text, err := os.ReadFile(p.config)
	if err != nil {
		t.Fatal(err)
	}
	// Nothing is refused for its age alone while the test lasts.
	fresh := strings.Replace(string(text), "[spa]\n", "[spa]\nclock_skew = \"10m\"\n", 1)
	p.base = fmt.Sprintf("%s\n[[door]]\nname = \"mail\"\nports = [\"tcp/25\"]\nopen_for = \"1h\"\nsequences_file = %q\n", fresh, list)
	p.store(p.config, p.base)
	p.must(p.Gate, "reload", "-c", p.config)
	return p
}

// newBoot makes this another boot of the machine.
func newBoot(t *testing.T, file string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(fmt.Sprint(rand.Uint64())+"\n"), 0o444); err != nil {
		t.Fatal(err)
	}
}

// store writes a file as a good editor does: it is as a whole on the disk.
func (p *powerWorld) store(name, text string) {
	p.t.Helper()
	if err := atomicfile.Replace(name, []byte(text), atomicfile.Options{Mode: 0o600}); err != nil {
		p.t.Fatal(err)
	}
}

// work has the gate write until enough has happened.
func (p *powerWorld) work() {
	ctx, cancel := context.WithCancel(p.t.Context())
	var others sync.WaitGroup
	others.Go(func() { p.administer(ctx) })
	for n := range 24 {
		m := p.seal(p.alice, netip.Addr{}, nil)
		p.ask(p.Client, p.Client.Gate4, m)
		p.note(done{datagram: m.Datagram})
		if n%3 == 0 {
			p.must(p.Gate, "revoke", "--all", "-c", p.config)
			s := p.sequences[0]
			p.sequences = p.sequences[1:]
			p.sends(s)
			p.eventually("a sequence opens", func() bool { return p.granted("mail") })
			p.note(done{sequence: s})
		}
	}
	cancel()
	others.Wait()
}

// administer closes one port after another, and bans. Every other change of the
// file is made without care: after a loss of power it may be empty.
func (p *powerWorld) administer(ctx context.Context) {
	text := p.base
	for n := uint16(0); ctx.Err() == nil; n++ {
		p.run(p.Gate, "ban", "add", "-c", p.config, fmt.Sprintf("203.0.113.%d", n%250+1), "--for", "1h")
		port := 10_000 + n
		if n%2 == 0 {
			text += fmt.Sprintf("[[door]]\nname = \"n%d\"\nports = [\"tcp/%d\"]\n", n, port)
			if err := atomicfile.Replace(p.config, []byte(text), atomicfile.Options{Mode: 0o600}); err != nil {
				p.t.Error(err)
			}
		} else if err := os.WriteFile(p.config, fmt.Appendf(nil, "%s# %d\n", text, n), 0o600); err != nil {
			p.t.Error(err)
		}
		if _, _, status := p.run(p.Gate, "reload", "-c", p.config); status == 0 && n%2 == 0 {
			p.note(done{port: port})
		}
	}
}

func (p *powerWorld) sends(knocks []packet.Port) {
	p.t.Helper()
	for _, k := range knocks {
		p.probe(p.Client, "tcp", at(p.Client, k.Number))
	}
}

func (p *powerWorld) granted(door string) bool {
	for _, g := range p.status().Grants {
		if g.Door == door {
			return true
		}
	}
	return false
}

// again starts the machine again with what the disk had when the power was lost.
func (p *powerWorld) again(device, dir string, when int, random *rand.Rand) {
	p.t.Helper()
	p.nft("delete table inet sallyport")
	newBoot(p.t, p.boot)
	disk := newRecorder(p.t, device, p.disk.lost(when, random))
	disk.mount(dir)
	defer disk.detach()
	defer disk.unmount(dir)
	defer p.kill()
	p.start()
	p.closed(p.Attacker, "tcp", at(p.Attacker, 22))
	before, sent := p.refusals(), uint64(0)
	for _, d := range p.done {
		if d.when > when {
			continue
		}
		switch {
		case d.datagram != nil:
			p.send(p.Client, p.Client.Gate4, d.datagram)
			sent++
		case d.sequence != nil:
			p.sends(d.sequence)
		default:
			if got := p.probe(p.Attacker, "tcp", at(p.Attacker, d.port)); got != lab.Silent {
				p.t.Errorf("tcp/%d was closed and is %s", d.port, got)
			}
		}
	}
	p.eventually("used messages are refused", func() bool { return p.refusals() >= before+sent })
	if grants := p.status().Grants; len(grants) > 0 {
		p.t.Errorf("what was used opens again: %+v", grants)
	}
	for _, port := range []uint16{22, 25} {
		p.closed(p.Client, "tcp", at(p.Client, port))
	}
}
