package moat

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"
)

// flagFrags is BPF_F_XDP_HAS_FRAGS: the program is content to see the beginning
// of a packet that is in several pieces.
const flagFrags = 1 << 5

// Moat is the program and its attachments.
type Moat struct {
	log    *slog.Logger
	dir    string
	secret [2]uint64

	mu       sync.Mutex
	loaded   bool
	failed   error // why it could not be loaded; a process that has not the rights does not get them
	objects  programObjects
	keys     Keys // the last ones
	host     Host
	answers  answers
	settings programSettings
	buffer   uint32 // the active one
	own      map[[16]byte]struct{}
	to       map[programPrefix]struct{}
	links    map[int]*attached // by the index of the interface
	covers   bool
	read     reading
	closed   bool
}

// New returns a moat that is attached to nothing; the program is loaded when
// there is an interface for it. Attachments are pinned in a folder of the network
// namespace below dir, and those of an earlier process are taken over.
func New(dir string, log *slog.Logger) (*Moat, error) {
	own, err := namespaced(dir)
	if err != nil {
		return nil, err
	}
	var seed [16]byte
	if _, err := rand.Read(seed[:]); err != nil {
		return nil, fmt.Errorf("draw a random key: %w", err)
	}
	return &Moat{
		log: log, dir: own, secret: [2]uint64{binary.NativeEndian.Uint64(seed[:8]), binary.NativeEndian.Uint64(seed[8:])},
		own: make(map[[16]byte]struct{}), to: make(map[programPrefix]struct{}), links: make(map[int]*attached),
	}, nil
}

// load brings the program into the kernel and hands it what is known. Call it on
// a thread of the network namespace that is guarded.
func (m *Moat) load() error {
	if m.loaded || m.failed != nil {
		return m.failed
	}
	// Needed before Linux 5.11 only, and where it is refused the next step tells.
	_ = rlimit.RemoveMemlock()
	err := either(m.create)
	if err != nil {
		m.failed = fmt.Errorf("load the XDP program: %w%s", shortened(err), remedy(err))
		return m.failed
	}
	if m.settings.Tick, err = tickLength(); err != nil {
		m.failed = err
		return errors.Join(err, m.objects.Close())
	}
	m.loaded = true
	m.answer(readAnswers(procNet))
	return errors.Join(m.writeKeys(time.Now()), m.writeHost())
}

// either tries with packets in several pieces, which Linux before 5.18 does not
// know of, and then without.
func either(create func(frags bool) error) error {
	if create(true) == nil {
		return nil
	}
	return create(false)
}

// procNet holds the settings of the network namespace of whichever thread looks.
const procNet = "/proc/sys/net"

// namespaced returns the folder for the network namespace of the calling thread.
func namespaced(dir string) (string, error) {
	var s unix.Stat_t
	if err := unix.Stat("/proc/thread-self/ns/net", &s); err != nil {
		return "", fmt.Errorf("find own network namespace: %w", err)
	}
	return filepath.Join(dir, fmt.Sprintf("net-%d", s.Ino)), nil
}

func (m *Moat) create(frags bool) error {
	spec, err := programSpec(frags)
	if err != nil {
		return err
	}
	return spec.LoadAndAssign(&m.objects, nil)
}

// programSpec is the program as it is to be loaded.
func programSpec(frags bool) (*ebpf.CollectionSpec, error) {
	spec, err := loadProgram()
	if err == nil && !frags {
		spec.Programs[programProgMoat].Flags &^= flagFrags
	}
	return spec, err
}

// shortened leaves out the verifier's log, of which a refusal for lack of
// rights has none and any other has thousands of lines. With a refusal it leaves
// out the guesses of the library, too: locked memory has been raised before.
func shortened(err error) error {
	if errors.Is(err, unix.EPERM) {
		return unix.EPERM
	}
	if v := (*ebpf.VerifierError)(nil); errors.As(err, &v) {
		return fmt.Errorf("%w (the kernel's verifier: %s)", v.Cause, complaint(v.Log))
	}
	return err
}

// complaint is the last line of a verifier's log but for its statistics.
func complaint(lines []string) string {
	for _, line := range slices.Backward(lines) {
		if !strings.HasPrefix(line, "processed ") {
			return line
		}
	}
	return "it gives no reason"
}

func remedy(err error) string {
	// EACCES is the verifier's word for what it does not take; some of that it would
	// take of someone with more rights, and says so.
	if errors.Is(err, unix.EPERM) || strings.Contains(shortened(err).Error(), "!root") {
		return " (needs CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON of the host, and the bpf system call: run as root there, or allow them in the systemd unit as moat.conf says)"
	}
	return ""
}

// Close lets go of the program. It stays attached where it is pinned.
func (m *Moat) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil
	}
	m.closed = true
	var errs []error
	for _, a := range m.links {
		if a.link != nil {
			errs = append(errs, a.link.Close())
		}
	}
	if m.loaded {
		errs = append(errs, m.objects.Close())
	}
	return errors.Join(errs...)
}
