//go:build linux

package page

import (
	"bytes"
	"crypto/ecdh"
	"crypto/hmac"
	"crypto/hpke"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/chacha20"
	"golang.org/x/crypto/ssh"

	"sallyport/internal/key"
	"sallyport/internal/lab"
	"sallyport/internal/lab/browser"
	"sallyport/internal/lab/labtest"
	"sallyport/internal/spa"
	"sallyport/internal/sshauth"
)

// listener takes messages out of STUN as PROTOCOL.md says, and answers them.
type listener struct {
	conn    net.PacketConn
	private key.Private
	opener  *spa.Opener

	mu     sync.Mutex
	mute   bool
	client ssh.PublicKey
	seen   map[string]spa.Header // by R
	faults []error
}

func (l *listener) serve() {
	buf := make([]byte, 1500)
	for {
		n, from, err := l.conn.ReadFrom(buf)
		if err != nil {
			return
		}
		l.mu.Lock()
		answer, err := l.take(buf[:n], from.(*net.UDPAddr).AddrPort())
		if err != nil {
			l.faults = append(l.faults, err)
		} else if !l.mute {
			_, _ = l.conn.WriteTo(answer, from)
		}
		l.mu.Unlock()
	}
}

// take verifies a request, and makes its answer.
func (l *listener) take(request []byte, from netip.AddrPort) ([]byte, error) {
	if len(request) < 268 || len(request) > 420 || binary.BigEndian.Uint16(request) != 1 || binary.BigEndian.Uint16(request[20:]) != 6 {
		return nil, fmt.Errorf("no STUN request with USERNAME first: % x", request[:min(len(request), 24)])
	}
	name := request[24 : 24+int(binary.BigEndian.Uint16(request[22:]))]
	text, _, _ := bytes.Cut(name, []byte(":"))
	payload, err := base64.RawStdEncoding.Strict().DecodeString(string(text))
	if err != nil {
		return nil, err
	}
	tagged, reason := l.opener.Check(time.Now(), payload)
	if reason != "" {
		return nil, errors.New("check: " + string(reason))
	}
	m, reason := tagged.Open()
	if reason != "" {
		return nil, errors.New("open: " + string(reason))
	}
	if err := sshauth.Verify(l.client, m.Signed(from.Addr()), m.Proof); err != nil {
		return nil, err
	}
	if m.Header.Client != sshauth.ID(l.client) || !m.Header.Fresh(time.Now(), time.Minute) {
		return nil, fmt.Errorf("header %+v", m.Header)
	}
	l.seen[string(m.Nonce[:])] = m.Header
	password, err := l.password(payload)
	if err != nil {
		return nil, err
	}
	at := len(request) - 32 // MESSAGE-INTEGRITY and FINGERPRINT
	if !bytes.Equal(integrity(request[:at], password), request[at+4:at+24]) {
		return nil, errors.New("the integrity of the request is wrong")
	}
	return success(request[8:20], from, password), nil
}

// password is the ice-pwd of a message.
func (l *listener) password(payload []byte) (string, error) {
	_, data, _ := strings.Cut(strings.TrimPrefix(l.private.Reveal(), "sallyport-server-private-v1:"), ":")
	wire, err := base64.RawURLEncoding.DecodeString(data)
	if err != nil {
		return "", err
	}
	private, err := hpke.DHKEM(ecdh.X25519()).NewPrivateKey(wire[:32])
	if err != nil {
		return "", err
	}
	veil := l.private.Public().Veil()
	stream, err := chacha20.NewUnauthenticatedCipher(veil[:], payload[:12])
	if err != nil {
		return "", err
	}
	enc := make([]byte, 32)
	stream.XORKeyStream(enc, payload[12:44])
	context, err := hpke.NewRecipient(enc, private, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), []byte("sallyport knock v1"))
	if err != nil {
		return "", err
	}
	exported, err := context.Export("sallyport ice v1", 24)
	return base64.RawStdEncoding.EncodeToString(exported), err
}

// integrity is MESSAGE-INTEGRITY (RFC 8489, section 14.5) behind a message, whose
// length has to count it.
func integrity(before []byte, password string) []byte {
	text := bytes.Clone(before)
	binary.BigEndian.PutUint16(text[2:], uint16(len(before)-20+24))
	mac := hmac.New(sha1.New, []byte(password))
	mac.Write(text)
	return mac.Sum(nil)
}

func success(id []byte, from netip.AddrPort, password string) []byte {
	cookie := []byte{0x21, 0x12, 0xa4, 0x42}
	address := from.Addr().Unmap().As4()
	b := append([]byte{1, 1, 0, 0}, cookie...)
	b = append(append(b, id...), 0, 0x20, 0, 8, 0, 1)
	b = binary.BigEndian.AppendUint16(b, from.Port()^0x2112)
	for i := range address {
		b = append(b, address[i]^cookie[i])
	}
	b = append(append(b, 0, 8, 0, 20), integrity(b, password)...)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)-20+8))
	return binary.BigEndian.AppendUint32(append(b, 0x80, 0x28, 0, 4), crc32.ChecksumIEEE(b)^0x5354554e)
}

func listen(t *testing.T, h *lab.Host, private key.Private) *listener {
	t.Helper()
	conn, err := h.ListenPacket("udp", netip.AddrPortFrom(h.Gate4, 40321).String())
	if err != nil {
		t.Fatal(err)
	}
	l := &listener{conn: conn, private: private, opener: spa.NewOpener(key.NewKeyring(private), time.Minute), seen: make(map[string]spa.Header)}
	go l.serve()
	t.Cleanup(func() {
		conn.Close()
		for _, fault := range l.faults {
			t.Error(fault)
		}
	})
	return l
}

// A page's message arrives in STUN, is the client's own, and its answer is seen;
// without an answer the page comes back with new messages, and says so in the end.
func TestMessagesInSTUN(t *testing.T) {
	for _, kind := range browser.Kinds {
		t.Run(kind, func(t *testing.T) {
			labtest.Need(t, "browser", kind)
			l := labtest.New(t, lab.Options{})
			private, err := key.Generate(key.X25519)
			if err != nil {
				t.Fatal(err)
			}
			gate := listen(t, l.Gate, private)
			path := filepath.Join(t.TempDir(), "knock.html")
			if err := os.WriteFile(path, []byte(made(t)), 0o600); err != nil {
				t.Fatal(err)
			}
			link := Link{Host: l.Gate.Gate4, Doors: []Door{{"ssh", time.Hour}}, ServerKey: private.Public().Text(), Port: 40321, Issued: time.Now()}
			b := open(t, l.Client, kind, "file://"+path+"#"+link.Text())
			do := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			do(b.Wait("document.querySelector('.question')"))
			do(b.Click(".question button.main"))
			do(b.Wait("document.querySelector('[data-gate]') && !document.querySelector('.question')"))
			do(b.Click("details.key summary"))
			gate.mu.Lock()
			gate.client, _, _, _, err = ssh.ParseAuthorizedKey([]byte(b.Text("#key")))
			gate.mu.Unlock()
			do(err)

			rounds := labtest.Rounds(3, 20)
			for range rounds {
				do(b.Click("[data-door=ssh] button.main"))
				do(b.Wait("document.querySelector('[data-door=ssh].open button.main:enabled')"))
			}
			// Without NAT no browser says which address the answer names.
			if said := b.Text("[data-door=ssh]"); !strings.Contains(said, "Open.") || !strings.Contains(said, "Closes in ") {
				t.Errorf("the page says %q", said)
			}
			gate.mu.Lock()
			answered := len(gate.seen)
			gate.mute = true
			gate.mu.Unlock()
			if answered < rounds {
				t.Errorf("%d messages for %d knocks", answered, rounds)
			}
			do(b.Click("[data-door=ssh] button.main"))
			do(b.Wait("/still knocking/.test(document.querySelector('[data-door=ssh]').innerText)"))
			do(b.Wait("document.querySelector('[data-door=ssh] .fault')"))
			gate.mu.Lock()
			defer gate.mu.Unlock()
			if more := len(gate.seen) - answered; more < 5 || more > 8 {
				t.Errorf("%d messages without an answer, want 5 to 8", more)
			}
		})
	}
}
