package firewall

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// subscribe opens a socket on which the kernel tells of changes to nf_tables,
// but for those made by the connection with the given id: each grant is such a
// change, so they are filtered out in the kernel.
func subscribe(own uint32) (*netlink.Conn, error) {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return nil, err
	}
	filter, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: 12, Size: 4}, // nlmsg_pid: whose change it is
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: binary.BigEndian.Uint32(binary.NativeEndian.AppendUint32(nil, own)), SkipTrue: 1},
		bpf.RetConstant{Val: 1 << 18},
		bpf.RetConstant{Val: 0},
	})
	if err == nil {
		err = errors.Join(conn.SetBPF(filter), conn.SetReadBuffer(1<<20), conn.JoinGroup(unix.NFNLGRP_NFTABLES))
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// Watch calls changed once for each transaction in which someone else has
// changed or removed the table since New, until the context ends; then it returns nil. It never calls it
// for a change made by this Firewall. When it has been told of more changes
// than it could take, it assumes that the table was among them. One Watch at a
// time.
func (f *Firewall) Watch(ctx context.Context, changed func()) error {
	if err := f.events.SetReadDeadline(time.Time{}); err != nil {
		return fmt.Errorf("watch nf_tables: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = f.events.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	var ours bool // the transaction that is being told about concerns our table
	for ctx.Err() == nil {
		messages, err := f.events.Receive()
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, unix.ENOBUFS):
			changed()
			continue
		case err != nil:
			return fmt.Errorf("watch nf_tables: %w", err)
		}
		for _, m := range messages {
			switch {
			case m.Header.Type == newGeneration && ours:
				ours = false
				changed()
			case m.Header.Type != newGeneration && m.Header.Type>>8 == unix.NFNL_SUBSYS_NFTABLES:
				ours = ours || inOurTable(m.Data)
			}
		}
	}
	return nil
}

// newGeneration is the message that ends what the kernel tells about a
// transaction.
const newGeneration = unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_NEWGEN

// inOurTable reports whether an object belongs to our table, or is it. Attribute 1
// of every kind of object is the name of its table.
func inOurTable(data []byte) bool {
	const header = 4 // struct nfgenmsg, which begins with the family
	if len(data) < header || data[0] != unix.NFPROTO_INET {
		return false
	}
	ad, err := netlink.NewAttributeDecoder(data[header:])
	if err != nil {
		return false
	}
	for ad.Next() {
		if ad.Type() == unix.NFTA_TABLE_NAME {
			return bytes.Equal(ad.Bytes(), []byte(tableName+"\x00"))
		}
	}
	return false
}
