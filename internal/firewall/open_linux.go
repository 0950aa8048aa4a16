package firewall

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// bufferSize bounds a batch, which is one message to the socket: room for some
// hundred thousand elements. Without CAP_NET_ADMIN in the first user namespace
// the kernel gives net.core.wmem_max instead; then a batch that is too large
// is refused as a whole.
const bufferSize = 64 << 20

// Firewall is the table. Its methods may be called by several goroutines at
// once; each change is carried out as a whole. Make one with New.
type Firewall struct {
	log   *slog.Logger
	id    uint32 // of our end of conn, by which the kernel knows the owner
	table *nftables.Table
	sets  *sets

	reader *reader // nil with a simulated kernel
	lister *reader // for the grants, of which there may be very many; the same

	mu        sync.Mutex
	conn      *nftables.Conn       // one for the whole life: it owns the table
	events    *netlink.Conn        // changes made by others; nil with a simulated kernel
	applied   *plan                // nil before the first Apply
	midstream map[session]struct{} // what is in the sets of that name, to put it back
}

// New connects to the kernel and finds out what it can do. It changes nothing.
// The table is owned through this connection: Close it when done.
func New(log *slog.Logger, opts Options) (*Firewall, error) {
	conn, err := nftables.New(nftables.AsLasting(), nftables.WithSockOptions(prepare))
	if err != nil {
		return nil, fmt.Errorf("reach nf_tables: %w", explain(err))
	}
	f, err := newFirewall(log, opts, conn)
	if err != nil {
		return nil, err
	}
	if f.reader, err = newReader(); err == nil {
		f.lister, err = newReader()
	}
	if err == nil {
		f.events, err = subscribe(f.id)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("reach nf_tables: %w", err), f.Close())
	}
	return f, nil
}

// newFirewall takes a connection, to the kernel or to what a test simulates.
func newFirewall(log *slog.Logger, opts Options, conn *nftables.Conn) (*Firewall, error) {
	id, err := conn.GetPortID()
	flags := nftables.TableFlags(0)
	if err == nil {
		flags, err = probe(conn, opts)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("reach nf_tables: %w", explain(err)), conn.CloseLasting())
	}
	t := &nftables.Table{Family: nftables.TableFamilyINet, Name: tableName, Flags: flags}
	return &Firewall{log: log, conn: conn, id: id, table: t, sets: newSets(t)}, nil
}

// prepare makes room for large batches, and has errors come back without a
// copy of the message that caused them. The library asks for an echo of every
// rule, and has no use for it: where there is no room for all of them, that must
// not look as if the batch had failed.
func prepare(c *netlink.Conn) error {
	return errors.Join(
		selectable(c),
		c.SetWriteBuffer(bufferSize),
		c.SetReadBuffer(bufferSize),
		c.SetOption(netlink.CapAcknowledge, true),
		c.SetOption(netlink.NoENOBUFS, true),
	)
}

// selectable refuses a descriptor that the library cannot wait for: it uses
// pselect, and would panic.
func selectable(c *netlink.Conn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var high error
	err = raw.Control(func(fd uintptr) {
		if fd >= unix.FD_SETSIZE {
			high = fmt.Errorf("the process has too many files open: the firewall's is number %d, want one below %d", fd, unix.FD_SETSIZE)
		}
	})
	return errors.Join(err, high)
}

// probe makes a table with both flags and removes it in the same batch, so
// that it is never there. Older kernels refuse the flags: owner came with 5.12
// and persist with 6.9.
func probe(conn *nftables.Conn, opts Options) (nftables.TableFlags, error) {
	const both = nftables.TableFlagOwner | nftables.TableFlagPersist
	try := func(flags nftables.TableFlags) error {
		t := conn.AddTable(&nftables.Table{Family: nftables.TableFamilyINet, Name: tableName + "-probe", Flags: flags})
		conn.DelTable(t)
		return conn.Flush()
	}
	if !opts.Unowned {
		err := try(both)
		if !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.EINVAL) {
			return both, err
		}
	}
	return 0, try(0)
}

// explain adds what an administrator can do about an error of the kernel.
func explain(err error) error {
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return fmt.Errorf("%w: the right CAP_NET_ADMIN over this network is missing: run as root, or as a service with AmbientCapabilities=CAP_NET_ADMIN", err)
	case errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.EAFNOSUPPORT), errors.Is(err, unix.EOPNOTSUPP):
		return fmt.Errorf("%w: the kernel has no nf_tables: run modprobe nf_tables, or boot a kernel with CONFIG_NF_TABLES_INET (a container has the kernel of its host)", err)
	}
	return err
}

// Owned reports whether the kernel keeps others from changing the table (Linux
// 6.9 and later).
func (f *Firewall) Owned() bool { return f.table.Flags != 0 }

// Close lets go of the table, which stays: doors stay closed, and grants end
// on time.
func (f *Firewall) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := f.conn.CloseLasting()
	for _, r := range []*reader{f.reader, f.lister} {
		if r != nil {
			err = errors.Join(err, r.close())
		}
	}
	if f.events != nil {
		err = errors.Join(err, f.events.Close())
	}
	return err
}
