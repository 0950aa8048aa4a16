//go:build linux

package peers

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"sallyport/bench/internal/flood"
	"sallyport/bench/internal/probe"
	"sallyport/bench/internal/report"
)

// Fwknopd is single-packet authorisation with a shared key and an HMAC, its
// usual setting. It reads packets with libpcap ten times a second, or, as a
// UDP server, from a socket; and runs iptables.
type Fwknopd struct{ UDPServer bool }

// spaPort is fwknopd's default.
const spaPort = 62201

// Name implements System.
func (f Fwknopd) Name() string {
	if f.UDPServer {
		return "fwknopd (UDP server)"
	}
	return "fwknopd (pcap, default)"
}

// Programs implements System.
func (Fwknopd) Programs() []string { return []string{"fwknopd", "fwknop", "iptables"} }

// Start implements System.
func (f Fwknopd) Start(ctx context.Context, site Site) (*Server, error) {
	key, mac := randomKey(32), randomKey(64)
	in := func(name string) string { return filepath.Join(site.Dir, name) }
	about := report.System{
		Name:    f.Name(),
		Version: version(ctx, "fwknopd", "-V"),
		Setup:   closedHost(f.allowed()...),
		Files:   map[string]string{"fwknopd.conf": f.config(site.Dir), "access.conf": accessConfig(key, mac)},
		Command: []string{"fwknopd", "-f", "-c", in("fwknopd.conf"), "-a", in("access.conf")},
	}
	if err := site.setup(ctx, about.Setup); err != nil {
		return nil, err
	}
	if err := site.write(about.Files); err != nil {
		return nil, err
	}
	cmd, err := site.daemon(ctx, nil, about.Command[0], about.Command[1:]...)
	if err != nil {
		return nil, err
	}
	return &Server{
		PID: cmd.Process.Pid,
		Knock: func(ctx context.Context, source netip.Addr) (probe.Knock, error) {
			return site.spa(ctx, source, key, mac)
		},
		Junk:  flood.Junk{Port: spaPort, Payload: spaLength},
		About: about,
		cmd:   cmd,
	}, nil
}

func (f Fwknopd) allowed() []string {
	if f.UDPServer {
		return []string{"-p udp --dport " + strconv.Itoa(spaPort)}
	}
	return nil
}

// config is what differs from Debian's fwknopd.conf: the interface, and files
// in a place of their own.
func (f Fwknopd) config(dir string) string {
	text := fmt.Sprintf("PCAP_INTF to-client;\nFWKNOP_RUN_DIR %s;\n", dir)
	if f.UDPServer {
		text += fmt.Sprintf("ENABLE_UDP_SERVER Y;\nUDPSERV_PORT %d;\n", spaPort)
	}
	return text
}

func accessConfig(key, mac string) string {
	return fmt.Sprintf(`SOURCE                  ANY
OPEN_PORTS              udp/%d
REQUIRE_SOURCE_ADDRESS  Y
FW_ACCESS_TIMEOUT       1
KEY_BASE64              %s
HMAC_KEY_BASE64         %s
`, Door, key, mac)
}

// spaLength is the size in bytes of a message as below; junk of that length
// passes the checks of form and has to be authenticated.
const spaLength = 225

// spa lets Debian's client make one message, and catches it: the client's own
// running time is not part of any figure.
func (site Site) spa(ctx context.Context, source netip.Addr, key, mac string) (probe.Knock, error) {
	sink, err := site.Lab.Client.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("catch the client's message: %w", err)
	}
	defer sink.Close()
	port := strconv.Itoa(sink.LocalAddr().(*net.UDPAddr).Port)
	cmd := site.Lab.Client.Command(ctx, "fwknop", "-A", fmt.Sprintf("udp/%d", Door), "-a", source.String(),
		"-D", "127.0.0.1", "-p", port, "--key-base64-rijndael", key, "--use-hmac", "--key-base64-hmac", mac,
		"--no-rc-file", "--no-save-args")
	cmd.Env = append(os.Environ(), "HOME="+site.Dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("run fwknop: %w: %s", err, bytes.TrimSpace(out))
	}
	if err := sink.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
		return nil, err
	}
	buf := make([]byte, 2048)
	n, _, err := sink.ReadFrom(buf)
	if err != nil {
		return nil, fmt.Errorf("catch the client's message: %w", err)
	}
	return probe.Knock{{Port: spaPort, Payload: buf[:n]}}, nil
}

func randomKey(bytes int) string {
	key := make([]byte, bytes)
	_, _ = rand.Read(key) // never fails
	return base64.StdEncoding.EncodeToString(key)
}
