//go:build linux

package firewall

import (
	"bytes"
	"encoding/binary"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"github.com/mdlayher/netlink/nltest"
	"golang.org/x/sys/unix"

	"sallyport/internal/config"
)

func kernel(refuse func(netlink.Message) unix.Errno) nltest.Func {
	return func(requests []netlink.Message) ([]netlink.Message, error) {
		for _, m := range requests {
			if errno := refuse(m); errno != 0 {
				return nltest.Error(int(errno), []netlink.Message{m})
			}
		}
		return nil, nil
	}
}

func TestKernelsThatCannot(t *testing.T) {
	newTable := netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_NEWTABLE)
	flags := func(m netlink.Message) (flags uint32) {
		ad, _ := netlink.NewAttributeDecoder(m.Data[4:])
		ad.ByteOrder = binary.BigEndian
		for ad.Next() {
			if ad.Type() == unix.NFTA_TABLE_FLAGS {
				flags = ad.Uint32()
			}
		}
		return flags
	}
	for _, c := range []struct {
		name   string
		refuse func(netlink.Message) unix.Errno
		owned  bool
		err    string
	}{
		{"all is well", func(netlink.Message) unix.Errno { return 0 }, true, ""},
		{"before 6.9", func(m netlink.Message) unix.Errno {
			if m.Header.Type == newTable && flags(m) != 0 {
				return unix.EOPNOTSUPP
			}
			return 0
		}, false, ""},
		{"before 5.12", func(m netlink.Message) unix.Errno {
			if m.Header.Type == newTable && flags(m) != 0 {
				return unix.EINVAL
			}
			return 0
		}, false, ""},
		{"no capability", func(netlink.Message) unix.Errno { return unix.EPERM }, false, "CAP_NET_ADMIN"},
		{"no nf_tables", func(netlink.Message) unix.Errno { return unix.EOPNOTSUPP }, false, "modprobe nf_tables"},
	} {
		conn, err := nftables.New(nftables.AsLasting(), nftables.WithTestDial(kernel(c.refuse)))
		if err != nil {
			t.Fatal(err)
		}
		f, err := newFirewall(nil, Options{}, conn)
		if c.err == "" && (err != nil || f.Owned() != c.owned) {
			t.Errorf("%s: %v, owned is not %t", c.name, err, c.owned)
		}
		if c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.err)
		}
	}
}

// A kernel that cannot compute flow labels gets the table without them.
func TestWithoutFlowLabels(t *testing.T) {
	hashes := 0
	conn, err := nftables.New(nftables.AsLasting(), nftables.WithTestDial(kernel(func(m netlink.Message) unix.Errno {
		if bytes.Contains(m.Data, []byte("hash\x00")) {
			hashes++
			return unix.ENOENT
		}
		return 0
	})))
	if err != nil {
		t.Fatal(err)
	}
	f, err := newFirewall(slog.New(slog.DiscardHandler), Options{}, conn)
	if err != nil {
		t.Fatal(err)
	}
	cfg := guarding(doorTo("ssh", "tcp/22"))
	cfg.Gate.Closed = config.ClosedReject
	p := newPlan(f.table, cfg)
	p.labels = labels{count: 1, first: 1}
	if err := f.put(&installed{}, p, nil); err != nil || hashes != 1 || p.labels.count != 0 {
		t.Errorf("%v, %d attempts with labels, which are %+v", err, hashes, p.labels)
	}
}
