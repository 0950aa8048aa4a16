package moat

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"sallyport/internal/key"
	"sallyport/internal/packet"
	"sallyport/internal/spa"
)

const lenUDP = 8

const xdpPass = 2 // XDP_PASS

// SetKeys takes what is true now. Call it each second: the clock may be set, and
// the keys run out.
func (m *Moat) SetKeys(now time.Time, k Keys) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.keys = k
	if !m.loaded || m.closed {
		return nil
	}
	return m.writeKeys(now)
}

func (m *Moat) writeKeys(now time.Time) error {
	k := &m.keys
	at, err := m.clock()
	if err != nil {
		return err
	}
	s := &m.settings
	if err := s.fill(k.Keys); err != nil {
		return fmt.Errorf("hand moat keys to the kernel: %w", err)
	}
	s.Port = 0
	if len(k.Keys) > 0 {
		s.Port = binary.NativeEndian.Uint16([]byte{byte(k.Port >> 8), byte(k.Port)})
		begin := time.Unix(k.Keys[0].Epoch*int64(key.EpochLength/time.Second), 0)
		s.Start = uint64(at + begin.Sub(now).Nanoseconds()) // wraps round if that was before the clock began
	}
	if s.Stun = 0; k.STUN {
		s.Stun = uint16(spa.Lengths(key.X25519)[0].First + lenUDP)
	}
	s.Skew = uint64((k.Skew + Margin).Nanoseconds())
	s.Budget = paced(uint64(max(k.Rate, 1)), uint64(max(k.Rate/10, 1)))
	pass := m.answers
	if m.host.Silent {
		pass = silent
	}
	s.Spares, s.Spare = pass.all, pass.each
	s.Secret.K0, s.Secret.K1 = m.secret[0], m.secret[1]
	return m.publish()
}

// paced is the pace of so many packets a second; none of them is none at all.
func paced(perSecond, atOnce uint64) programPace {
	if perSecond == 0 {
		return programPace{}
	}
	interval := max(uint64(time.Second)/perSecond, 1)
	return programPace{Interval: interval, Burst: interval * (max(atOnce, 1) - 1)}
}

// fill puts keys, server key by server key and by ascending epochs, to their
// places. All server keys must come with the same epochs.
func (s *programSettings) fill(keys []spa.MoatKey) error {
	keys = fitting(keys, len(s.Server))
	s.Servers, s.Epochs = 0, 0
	clear(s.Server[:])
	for i, k := range keys {
		if i == 0 || k.Epoch != keys[i-1].Epoch+1 {
			if int(s.Servers) == len(s.Server) {
				return fmt.Errorf("more than %d server keys", len(s.Server))
			}
			for j, span := range spa.Lengths(k.Suite) {
				to := &s.Server[s.Servers].Spans[j]
				to.First, to.Last = uint16(span.First+lenUDP), uint16(span.Last+lenUDP)
			}
			s.Servers++
			s.Epochs = 0
		}
		to := &s.Server[s.Servers-1]
		if int(s.Epochs) == len(to.Keys) {
			return fmt.Errorf("more than %d epochs", len(to.Keys))
		}
		// SipHash takes its key as two little-endian numbers.
		to.Keys[s.Epochs].K0, to.Keys[s.Epochs].K1 = binary.LittleEndian.Uint64(k.Key[:8]), binary.LittleEndian.Uint64(k.Key[8:])
		s.Epochs++
	}
	if int(s.Servers*s.Epochs) != len(keys) {
		return errors.New("the server keys have different epochs")
	}
	return nil
}

// fitting leaves out the keys of a suite if all are those of more server keys than
// there is room for: what is not checked here, the daemon checks. It keeps the
// first suite, to which most clients send.
func fitting(keys []spa.MoatKey, servers int) []spa.MoatKey {
	n := 0
	for i, k := range keys {
		if i == 0 || k.Epoch != keys[i-1].Epoch+1 {
			n++
		}
	}
	if n <= servers {
		return keys
	}
	return slices.DeleteFunc(slices.Clone(keys), func(k spa.MoatKey) bool { return k.Suite != keys[0].Suite })
}

// publish has the program use the settings, all at once.
func (m *Moat) publish() error {
	next := 1 - m.buffer
	if err := m.objects.Buffers.Put(next, &m.settings); err != nil {
		return fmt.Errorf("write settings of the XDP program: %w", err)
	}
	if err := m.objects.Active.Put(uint32(0), next); err != nil {
		return fmt.Errorf("turn to new settings of the XDP program: %w", err)
	}
	m.buffer = next
	return nil
}

// SetHost takes what has changed about the host.
func (m *Moat) SetHost(h Host) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.host = h
	if !m.loaded || m.closed {
		return nil
	}
	return m.writeHost()
}

func (m *Moat) writeHost() error {
	h := &m.host
	var closed programBits
	for n := range math.MaxUint16 + 1 {
		for i, proto := range []packet.Proto{packet.TCP, packet.UDP} {
			if h.Closed != nil && n > 0 && h.Closed(packet.Port{Proto: proto, Number: uint16(n)}) {
				closed.Word[i*len(closed.Word)/2+n/64] |= 1 << (n % 64)
			}
		}
	}
	if err := m.objects.Closed.Put(uint32(0), &closed); err != nil {
		return fmt.Errorf("write the closed ports: %w", err)
	}
	own := make(map[[16]byte]struct{}, len(h.Own))
	s := &m.settings
	clear(s.Near[:])
	for _, a := range h.Own {
		if _, twice := own[a.As16()]; !twice && len(own) < len(s.Near) {
			bytes := a.As16()
			s.Near[len(own)].High, s.Near[len(own)].Low = binary.NativeEndian.Uint64(bytes[:8]), binary.NativeEndian.Uint64(bytes[8:])
		}
		own[a.As16()] = struct{}{}
	}
	to := make(map[programPrefix]struct{}, len(h.To))
	for _, p := range h.To {
		to[prefixKey(p)] = struct{}{}
	}
	if err := errors.Join(replace(m.objects.Own, m.own, own), replace(m.objects.Guarded, m.to, to)); err != nil {
		return fmt.Errorf("write the addresses of the host: %w", err)
	}
	s.Prefixes, s.Contacts, s.Crowded = flag(len(to) > 0), flag(h.Closed != nil), flag(len(own) > len(s.Near))
	return m.publish()
}

// replace makes a map hold exactly the keys that are wanted. What does not fit
// is left out: the packets that it is about pass.
func replace[K comparable](kernel *ebpf.Map, have, want map[K]struct{}) error {
	for k := range have {
		if _, keep := want[k]; keep {
			continue
		}
		if err := kernel.Delete(k); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return err
		}
		delete(have, k)
	}
	for k := range want {
		if _, there := have[k]; there {
			continue
		}
		switch err := kernel.Put(k, uint8(1)); {
		case err == nil:
			have[k] = struct{}{}
		case !errors.Is(err, unix.E2BIG) && !errors.Is(err, unix.ENOSPC):
			return err
		}
	}
	return nil
}

func prefixKey(p netip.Prefix) programPrefix {
	bits := p.Bits()
	if p.Addr().Is4() {
		bits += 96
	}
	return programPrefix{Bits: uint32(bits), Address: p.Masked().Addr().As16()}
}

func flag(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}

// clock is the clock of the program, in ns since about the start of the machine:
// the kernel's ticks times their length. It stands still while the machine sleeps,
// which the next SetKeys makes up for.
func (m *Moat) clock() (int64, error) {
	frame := make([]byte, 14) // the least that the kernel takes for a packet
	verdict, err := m.objects.TellTicks.Run(&ebpf.RunOptions{Data: frame, DataOut: frame})
	if err != nil {
		return 0, fmt.Errorf("read the clock of the XDP program: %w", err)
	}
	if verdict != xdpPass {
		return 0, fmt.Errorf("read the clock of the XDP program: verdict %d", verdict)
	}
	return int64(binary.NativeEndian.Uint64(frame) * m.settings.Tick), nil
}

// tickLength returns how long a tick of the kernel is, in ns: the resolution of
// its coarse clocks.
func tickLength() (uint64, error) {
	var tick unix.Timespec
	if err := unix.ClockGetres(unix.CLOCK_MONOTONIC_COARSE, &tick); err != nil {
		return 0, fmt.Errorf("read the length of a tick: %w", err)
	}
	return uint64(tick.Nano()), nil
}
