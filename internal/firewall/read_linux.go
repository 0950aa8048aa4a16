package firewall

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// The kernel lists a set in pieces. For each it walks the set from the
// beginning and skips as many elements as it has listed before. If the set
// changes or grows between two pieces, elements are listed twice or left out,
// and a long list in small pieces takes very long.
const (
	// inOnePiece is a number of elements that the smallest piece has room for.
	inOnePiece = 16
	// readTries is how often a set is read that keeps changing.
	readTries = 5
)

// reader is a connection for reading, so that a long list holds up no grant and
// nothing that is read by another one.
type reader struct {
	mu   sync.Mutex // between a question and the end of its answer
	conn *nftables.Conn
}

func newReader() (*reader, error) {
	conn, err := nftables.New(nftables.AsLasting(), nftables.WithSockOptions(prepare, takeLarge))
	return &reader{conn: conn}, err
}

func (r *reader) close() error { return r.conn.CloseLasting() }

// table returns the table, nil if there is none.
func (r *reader) table(t *nftables.Table) (*nftables.Table, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t, err := r.conn.ListTableOfFamily(t.Name, t.Family)
	if errors.Is(err, unix.ENOENT) {
		return nil, nil
	}
	return t, err
}

// comment returns the comment of a set, "" if there is no such set.
func (r *reader) comment(s *nftables.Set) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	got, err := r.conn.GetSetByName(s.Table, s.Name)
	if errors.Is(err, unix.ENOENT) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return got.Comment, nil
}

// chains returns the names of the chains of a table.
func (r *reader) chains(t *nftables.Table) ([]string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	all, err := r.conn.ListChainsOfTableFamily(t.Family)
	var names []string
	for _, c := range all {
		if c.Table.Name == t.Name {
			names = append(names, c.Name)
		}
	}
	return names, err
}

// count returns how many packets a counter has seen.
func (r *reader) count(c *nftables.CounterObj) (uint64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	obj, err := r.conn.GetObject(c)
	if counter, ok := obj.(*nftables.CounterObj); ok {
		return counter.Packets, err
	}
	return 0, err
}

// elements reads a set, again and again until nothing turns up that had not
// been there the last time.
func (r *reader) elements(s *nftables.Set) ([]nftables.SetElement, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	found := make(map[string]nftables.SetElement)
	for range readTries {
		list, err := r.conn.GetSetElements(s)
		if err != nil {
			return nil, fmt.Errorf("read set %q: %w", s.Name, err)
		}
		before := len(found)
		for _, e := range list {
			found[string(e.Key)] = e
		}
		if len(found) == before || len(list) <= inOnePiece {
			break
		}
	}
	return slices.Collect(maps.Values(found)), nil
}

// takeLarge makes the kernel answer in the largest pieces it can. It learns
// from the buffers in which messages are received how large they may be
// (net/netlink/af_netlink.c, netlink_recvmsg), and netlink.Conn begins small.
func takeLarge(c *netlink.Conn) error {
	ask := netlink.Message{
		Header: netlink.Header{Type: unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETGEN, Flags: netlink.Request},
		Data:   make([]byte, 4), // struct nfgenmsg
	}
	if _, err := c.Send(ask); err != nil {
		return err
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var received error
	err = raw.Read(func(fd uintptr) bool {
		_, _, received = unix.Recvfrom(int(fd), make([]byte, 1<<16), 0)
		return !errors.Is(received, unix.EAGAIN)
	})
	return errors.Join(err, received)
}
