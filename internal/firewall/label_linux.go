package firewall

import (
	"crypto/sha256"
	"encoding/binary"
	"os"
	"strings"

	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"sallyport/internal/config"
)

// labels says how this host labels the flows of its resets over IPv6. nftables
// gives its own none, by which a single SYN would tell a door from a closed port.
type labels struct {
	count uint32 // how many there are; 0: resets have none
	first uint32
	seed  uint32
}

// readLabels reads the settings of the calling thread's network namespace
// (ip6_make_flowlabel in include/net/ipv6.h).
func readLabels() labels {
	read := func(name string) string {
		text, _ := os.ReadFile("/proc/sys/net/ipv6/" + name)
		return strings.TrimSpace(string(text))
	}
	// The labels of a flow stay the same as long as the kernel's own, which outlive
	// this process; nobody outside knows the identity of a boot.
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if automatic := read("auto_flowlabels"); err != nil || automatic != "1" && automatic != "3" || read("flowlabel_reflect") > "1" {
		return labels{}
	}
	sum := sha256.Sum256(append([]byte("sallyport flow labels "), boot...))
	l := labels{count: 1<<20 - 1, first: 1, seed: binary.NativeEndian.Uint32(sum[:])}
	if read("flowlabel_state_ranges") == "1" {
		l.count, l.first = 1<<19, 1<<19 // IPV6_FLOWLABEL_STATELESS_FLAG
	}
	return l
}

// dropLabels does without labels, for a kernel without nft_hash. It reports whether
// there were any.
func dropLabels(plans []*plan) (had bool) {
	for _, p := range plans {
		had = had || p.labels.count > 0
		p.labels = labels{}
	}
	return had
}

// label gives the resets for closed ports a flow label, as the kernel's own have.
func (p *plan) label() [][]expr.Any {
	const version = 6 << 28
	var port []expr.Any
	if p.config.Gate.Policy != config.PolicyAll {
		port = rule(loadProtoAndSource(), in(p.sets.doors))
	}
	return [][]expr.Any{rule(
		[]expr.Any{load(expr.MetaKeyNFPROTO, unix.NFT_REG_1), equal(unix.NFPROTO_IPV6)},
		tcpWith(tcpRST),
		port,
		[]expr.Any{
			// [ payload load 4b @ network header + 0 => reg 1 ]
			payload(network, 0, 4, unix.NFT_REG_1),
			// [ cmp eq reg 1 0x00000060 ]
			equal(binaryutil.BigEndian.PutUint32(version)...),
			// [ payload load 32b @ network header + 8 => reg 1 ]
			payload(network, 8, 32, unix.NFT_REG32_00),
			// [ payload load 4b @ transport header + 0 => reg 3 ]
			payload(transport, 0, 4, unix.NFT_REG32_00+8),
			// [ hash reg 1 = jhash(reg 1, 36, 0x1) % mod 1048575 offset 1610612737 ]
			&expr.Hash{SourceRegister: unix.NFT_REG32_00, DestRegister: unix.NFT_REG_1, Length: 36, Modulus: p.labels.count,
				Seed: p.labels.seed, Offset: version + p.labels.first, Type: expr.HashTypeJenkins},
			// [ byteorder reg 1 = hton(reg 1, 4, 4) ]
			&expr.Byteorder{SourceRegister: unix.NFT_REG_1, DestRegister: unix.NFT_REG_1, Op: expr.ByteorderHton, Len: 4, Size: 4},
			// [ payload write reg 1 => 4b @ network header + 0 csum_type 0 csum_off 0 csum_flags 0x0 ]
			&expr.Payload{OperationType: expr.PayloadWrite, SourceRegister: unix.NFT_REG_1, Base: network, Offset: 0, Len: 4},
		},
	)}
}

// loadProtoAndSource is meta l4proto . th sport: the port that an answer comes from.
func loadProtoAndSource() []expr.Any {
	return []expr.Any{
		// [ meta load l4proto => reg 1 ]
		load(expr.MetaKeyL4PROTO, unix.NFT_REG32_00),
		// [ payload load 2b @ transport header + 0 => reg 9 ]
		payload(transport, 0, 2, unix.NFT_REG32_00+1),
	}
}
