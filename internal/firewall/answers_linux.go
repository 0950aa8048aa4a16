package firewall

import (
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// answers leaves our answers to STUN requests untracked: else the browser's next
// repetition belonged to a connection, passed every firewall of the host, and met a
// closed port that answers.
func (p *plan) answers() [][]expr.Any {
	const success, cookie = 0x0101, 0x2112A442
	return [][]expr.Any{rule(
		proto(unix.IPPROTO_UDP),
		[]expr.Any{
			// [ payload load 2b @ transport header + 0 => reg 1 ]
			payload(transport, 0, 2, unix.NFT_REG_1),
			equal(binaryutil.BigEndian.PutUint16(p.config.SPA.Port)...),
			// [ payload load 2b @ transport header + 8 => reg 1 ]
			payload(transport, 8, 2, unix.NFT_REG_1),
			equal(binaryutil.BigEndian.PutUint16(success)...),
			// [ payload load 4b @ transport header + 12 => reg 1 ]
			payload(transport, 12, 4, unix.NFT_REG_1),
			equal(binaryutil.BigEndian.PutUint32(cookie)...),
			// [ notrack ]
			&expr.Notrack{},
		},
	)}
}
