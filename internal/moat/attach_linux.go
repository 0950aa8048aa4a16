package moat

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

const (
	settle = 50 * time.Millisecond // changes that come together are looked at together
	again  = 30 * time.Second      // what was not possible may have become so
)

// attached is one interface on which the program was tried.
type attached struct {
	Attachment
	link link.Link // nil if the mode is Off
}

// Run attaches the program to the interfaces that policy returns, and follows
// them as they come and go, until the context ends. Attachments stay. It asks
// for the policy each time it looks, and looks at once after each word on
// changed. Call it on a thread of the network namespace that is guarded.
func (m *Moat) Run(ctx context.Context, policy func() Policy, changed <-chan struct{}) error {
	updates := make(chan netlink.LinkUpdate, 64)
	broken := make(chan error, 1)
	options := netlink.LinkSubscribeOptions{ErrorCallback: func(err error) {
		select {
		case broken <- err:
		default:
		}
	}}
	if err := netlink.LinkSubscribeWithOptions(updates, ctx.Done(), options); err != nil {
		return fmt.Errorf("watch interfaces: %w", err)
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-broken:
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("watch interfaces: %w", err)
		case <-changed:
			timer.Reset(0)
		case <-updates:
			timer.Reset(settle)
		case <-timer.C:
			if err := m.Sync(policy()); err != nil {
				m.log.Warn("the moat is not up to date", "error", err)
			}
			timer.Reset(again)
		}
	}
}

// Sync attaches the program where it belongs and is not yet, and detaches it
// elsewhere. An interface that cannot have it is told in Attachments.
func (m *Moat) Sync(p Policy) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil
	}
	all, err := netlink.LinkList()
	if err != nil {
		return fmt.Errorf("list interfaces: %w", err)
	}
	wanted := make(map[int]netlink.Link)
	for _, dev := range all {
		if p.wants(dev) {
			wanted[dev.Attrs().Index] = dev
		}
	}
	errs := []error{m.forget(wanted)}
	for index, dev := range wanted {
		m.guard(index, dev, p)
	}
	m.covers = m.coversAll(all)
	if now := readAnswers(procNet); m.loaded && now != m.answers {
		m.answer(now) // with the next SetKeys
	}
	return errors.Join(append(errs, m.unpinOthers())...)
}

// coversAll reports whether every packet that arrives passes the program: each
// interface has it, or is a VLAN of one that has.
func (m *Moat) coversAll(all []netlink.Link) bool {
	guarded := func(index int) bool { a := m.links[index]; return a != nil && a.link != nil }
	any := false
	for _, dev := range all {
		attrs := dev.Attrs()
		switch {
		case guarded(attrs.Index):
			any = true
		case attrs.Flags&net.FlagUp == 0, attrs.Flags&net.FlagLoopback != 0, dev.Type() == "dummy":
		case dev.Type() == "vlan" && guarded(attrs.ParentIndex):
		default:
			return false
		}
	}
	return any
}

// Covers reports whether every packet that arrives passes the program, so that
// Contacts knows all.
func (m *Moat) Covers() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.covers
}

// wants reports whether an interface is to be guarded. Without a list these are
// the physical ones: what comes through others has passed one of those, or comes
// from this host's own containers and virtual machines.
func (p Policy) wants(dev netlink.Link) bool {
	if p.Off {
		return false
	}
	if len(p.Interfaces) > 0 {
		return slices.Contains(p.Interfaces, dev.Attrs().Name)
	}
	return dev.Type() == "device" && dev.Attrs().EncapType == "ether"
}

// forget lets go of interfaces that are gone or no longer wanted.
func (m *Moat) forget(wanted map[int]netlink.Link) error {
	var errs []error
	for index, a := range m.links {
		if _, keep := wanted[index]; keep {
			continue
		}
		delete(m.links, index)
		if a.link != nil {
			m.log.Info("moat: detached", "interface", a.Interface)
			errs = append(errs, m.detach(a))
		}
	}
	return errors.Join(errs...)
}

func (m *Moat) detach(a *attached) error { return end(a.link) }

// end detaches a program at once. Without its last name and descriptor a link
// would end, too, but only after a while.
func end(l link.Link) error {
	detached, unpinned := l.Detach(), l.Unpin()
	if errors.Is(unpinned, fs.ErrNotExist) {
		unpinned = nil
	}
	return errors.Join(detached, unpinned, l.Close())
}

// guard brings one interface into the state that it should have.
func (m *Moat) guard(index int, dev netlink.Link, p Policy) {
	before := m.links[index]
	if before != nil && before.link != nil {
		before.Interface = dev.Attrs().Name
		if p.fits(before.Mode) {
			return
		}
		if err := m.detach(before); err != nil {
			m.log.Warn("moat: detach", "interface", before.Interface, "error", err)
		}
		before = nil
	}
	now := m.attach(index, dev, p)
	m.links[index] = now
	if before == nil || before.Attachment != now.Attachment {
		m.log.Info("moat: "+now.Mode, "interface", now.Interface, "reason", now.Reason, "pinned", now.Pinned)
	}
}

// attach takes over what an earlier process has left, or begins again.
func (m *Moat) attach(index int, dev netlink.Link, p Policy) *attached {
	a := &attached{Attachment: Attachment{Interface: dev.Attrs().Name, Mode: Off}}
	if dev.Attrs().EncapType != "ether" {
		a.Reason = "it is not an Ethernet interface"
		return a
	}
	if err := m.load(); err != nil {
		a.Reason = err.Error()
		return a
	}
	if old := m.takeOver(index); old != nil {
		a.link, a.Pinned = old, true
		a.Mode = modeOf(index)
		if p.fits(a.Mode) {
			if a.Mode == Generic {
				a.Reason = p.notNative(dev)
			}
			return a
		}
		if err := m.detach(a); err != nil {
			m.log.Warn("moat: detach", "interface", a.Interface, "error", err)
		}
		*a = attached{Attachment: Attachment{Interface: a.Interface, Mode: Off}}
	} else if id := programOn(index); id != 0 {
		a.Reason = fmt.Sprintf("another XDP program (id %d) is attached to it", id)
		return a
	}
	m.begin(a, dev, p)
	return a
}

// begin attaches the program to an interface that has none.
func (m *Moat) begin(a *attached, dev netlink.Link, p Policy) {
	index, err := dev.Attrs().Index, error(nil)
	if a.Reason = p.notNative(dev); a.Reason == "" {
		a.link, err = link.AttachXDP(link.XDPOptions{Program: m.objects.Moat, Interface: index, Flags: link.XDPDriverMode})
		a.Mode = Native
	}
	if err != nil {
		a.Reason = "its driver does not take the program: " + err.Error()
	}
	if a.link == nil && !p.Native {
		a.link, err = link.AttachXDP(link.XDPOptions{Program: m.objects.Moat, Interface: index, Flags: link.XDPGenericMode})
		a.Mode = Generic
	}
	if err != nil {
		a.link, a.Mode = nil, Off
		if !p.Native {
			a.Reason = err.Error()
		}
		return
	}
	if err := m.pin(a.link, index); err != nil {
		a.Reason = strings.TrimPrefix(a.Reason+"; it ends with the daemon: "+err.Error(), "; ")
		return
	}
	a.Pinned = true
}

// fits reports whether what is attached in a mode may stay.
func (p Policy) fits(mode string) bool {
	return mode == Native && !p.Generic || mode == Generic && !p.Native
}

// notNative returns why an interface is not tried natively, or "".
//
// With a program, a veth hands packets over in a ring of 256 (VETH_RING_SIZE in
// drivers/net/veth.c), and loses those that it has no room for: under a flood
// that the program lets through, honest ones too.
func (p Policy) notNative(dev netlink.Link) string {
	switch {
	case p.Generic:
		return "so configured"
	case dev.Type() == "veth" && !p.Native:
		return "the driver of veth loses packets under load"
	}
	return ""
}

func (m *Moat) pin(l link.Link, index int) error {
	if err := os.MkdirAll(m.dir, 0o700); err != nil {
		return err
	}
	return l.Pin(m.path(index))
}

func (m *Moat) path(index int) string { return filepath.Join(m.dir, "link-"+strconv.Itoa(index)) }

// takeOver puts our program in the place of the one that an earlier process has
// attached to an interface. It returns nil if there is none.
func (m *Moat) takeOver(index int) link.Link {
	l, err := link.LoadPinnedLink(m.path(index), &ebpf.LoadPinOptions{})
	if err != nil {
		return nil
	}
	info, err := l.Info()
	if err == nil {
		if x := info.XDP(); x == nil || int(x.Ifindex) != index {
			err = errors.New("it belongs to an interface that is gone")
		}
	}
	if err == nil {
		err = l.Update(m.objects.Moat)
	}
	if err == nil {
		return l
	}
	m.log.Info("moat: an earlier attachment is of no use", "path", m.path(index), "error", err)
	if err := end(l); err != nil {
		m.log.Warn("moat: remove an earlier attachment", "path", m.path(index), "error", err)
	}
	return nil
}

// programOn asks the kernel which XDP program an interface has; 0 is none.
func programOn(index int) uint32 {
	dev, err := netlink.LinkByIndex(index)
	if err != nil || dev.Attrs().Xdp == nil || !dev.Attrs().Xdp.Attached {
		return 0
	}
	return dev.Attrs().Xdp.ProgId
}

// modeOf asks the kernel how an interface runs its XDP program.
func modeOf(index int) string {
	dev, err := netlink.LinkByIndex(index)
	if err != nil || dev.Attrs().Xdp == nil {
		return Off
	}
	switch dev.Attrs().Xdp.AttachMode {
	case nl.XDP_ATTACHED_DRV, nl.XDP_ATTACHED_HW:
		return Native
	case nl.XDP_ATTACHED_SKB:
		return Generic
	}
	return Off
}

// unpinOthers removes what earlier processes have pinned for interfaces that
// are gone, or no longer to be guarded.
func (m *Moat) unpinOthers() error {
	entries, err := os.ReadDir(m.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	errs := []error{err}
	for _, e := range entries {
		index, err := strconv.Atoi(strings.TrimPrefix(e.Name(), "link-"))
		if a := m.links[index]; err != nil || a != nil && a.Pinned {
			continue
		}
		path := filepath.Join(m.dir, e.Name())
		if l, err := link.LoadPinnedLink(path, nil); err == nil {
			errs = append(errs, end(l))
			continue
		}
		errs = append(errs, os.Remove(path))
	}
	return errors.Join(errs...)
}

// Attachments returns the state of each interface that should be guarded, by name.
func (m *Moat) Attachments() []Attachment {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := make([]Attachment, 0, len(m.links))
	for _, a := range m.links {
		list = append(list, a.Attachment)
	}
	slices.SortFunc(list, func(a, b Attachment) int { return strings.Compare(a.Interface, b.Interface) })
	return list
}

// Remove detaches what is pinned for the network namespace of the calling
// thread, by whatever process. It needs no more than the right to write there.
func Remove(dir string) error {
	own, err := namespaced(dir)
	if err != nil {
		return err
	}
	pins, _ := filepath.Glob(filepath.Join(own, "link-*"))
	for _, path := range pins {
		// What cannot be opened or detached ends with its name, a little later.
		if l, err := link.LoadPinnedLink(path, nil); err == nil {
			_ = end(l)
		}
	}
	if err := os.RemoveAll(own); err != nil && !errors.Is(err, unix.ENOTDIR) {
		return fmt.Errorf("detach the XDP program: %w", err)
	}
	return nil
}
