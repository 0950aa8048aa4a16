//go:build linux && !client_only

package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/lab/labtest"
)

// recorder is a disk with a cache that forgets: it keeps every write and flush, so
// that afterwards the disk can be had as a loss of power at any moment would have
// left it. The kernel knows it as a network block device.
type recorder struct {
	t      *testing.T
	device string
	detach func()

	mu      sync.Mutex
	content []byte
	log     []operation
}

// operation is a write of one sector at most, or a flush, which has no data: what was
// written before it is safe.
type operation struct {
	at   int64
	data []byte
}

const (
	sector   = 4096
	diskSize = 16 << 20
)

// Requests to the kernel, and its own (include/uapi/linux/nbd.h).
const (
	nbdSetSock      = 0xab00
	nbdSetBlockSize = 0xab01
	nbdDoIt         = 0xab03
	nbdClearSock    = 0xab04
	nbdSetBlocks    = 0xab07
	nbdDisconnect   = 0xab08
	nbdSetFlags     = 0xab0a

	nbdHasFlags  = 1 << 0
	nbdSendFlush = 1 << 2

	nbdRequestMagic = 0x25609513
	nbdReplyMagic   = 0x67446698

	nbdRead, nbdWrite, nbdDisc, nbdFlush = 0, 1, 2, 3
)

// newRecorder attaches a disk with this content, which it keeps, to a device.
func newRecorder(t *testing.T, device string, content []byte) *recorder {
	t.Helper()
	d := &recorder{t: t, device: device, content: content}
	f, err := os.OpenFile(device, os.O_RDWR, 0)
	if err != nil {
		labtest.Lacking(t, "disks", fmt.Errorf("the kernel lends no block device: %w", err))
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, set := range [][2]int{{nbdSetBlockSize, sector}, {nbdSetBlocks, len(content) / sector}, {nbdSetFlags, nbdHasFlags | nbdSendFlush}, {nbdSetSock, pair[0]}} {
		if err := unix.IoctlSetInt(int(f.Fd()), uint(set[0]), set[1]); err != nil {
			t.Fatalf("set up %s: %v", device, err)
		}
	}
	var ended sync.WaitGroup
	ended.Go(func() { d.serve(os.NewFile(uintptr(pair[1]), "disk")) })
	ended.Go(func() {
		runtime.LockOSThread() // which is the kernel's until the end: the first signal, of a program that ends, would be the end
		var all unix.Sigset_t
		for i := range all.Val {
			all.Val[i]--
		}
		_ = unix.PthreadSigmask(unix.SIG_BLOCK, &all, nil)
		_ = unix.IoctlSetInt(int(f.Fd()), nbdDoIt, 0)
	})
	d.detach = sync.OnceFunc(func() {
		_ = unix.IoctlSetInt(int(f.Fd()), nbdDisconnect, 0)
		ended.Wait()
		_ = unix.IoctlSetInt(int(f.Fd()), nbdClearSock, 0)
		f.Close()
		unix.Close(pair[0])
	})
	t.Cleanup(d.detach)
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(filepath.Join("/sys/block", filepath.Base(device), "pid")); err == nil {
			return d
		}
		if time.Now().After(deadline) {
			t.Fatalf("the kernel does not serve %s", device)
		}
	}
}

type nbdRequest struct {
	Magic, Kind uint32
	Handle      uint64
	From        int64
	Len         uint32
}

// serve answers the kernel, one request after another.
func (d *recorder) serve(conn *os.File) {
	defer conn.Close()
	for {
		var r nbdRequest
		if err := binary.Read(conn, binary.BigEndian, &r); err != nil || r.Magic != nbdRequestMagic || r.Kind == nbdDisc {
			return
		}
		answer := binary.BigEndian.AppendUint32(nil, nbdReplyMagic)
		answer = append(answer, 0, 0, 0, 0)
		answer = binary.BigEndian.AppendUint64(answer, r.Handle)
		data, err := d.do(conn, r)
		if err != nil {
			return
		}
		if _, err := conn.Write(append(answer, data...)); err != nil {
			return
		}
	}
}

func (d *recorder) do(conn io.Reader, r nbdRequest) (answer []byte, err error) {
	var data []byte
	if r.Kind == nbdWrite {
		data = make([]byte, r.Len)
		if _, err := io.ReadFull(conn, data); err != nil {
			return nil, err
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch r.Kind {
	case nbdRead:
		return bytes.Clone(d.content[r.From:][:r.Len]), nil
	case nbdFlush:
		d.log = append(d.log, operation{})
	case nbdWrite:
		copy(d.content[r.From:], data)
		for n := 0; n < len(data); n += sector {
			d.log = append(d.log, operation{r.From + int64(n), data[n:min(n+sector, len(data))]})
		}
	}
	return nil, nil
}

// now returns how much has happened so far.
func (d *recorder) now() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.log)
}

// lost returns the disk as a loss of power leaves it: what was flushed is there; of
// what was written since, any part.
func (d *recorder) lost(when int, random *rand.Rand) []byte {
	content := make([]byte, diskSize)
	safe := 0
	for i, o := range d.log[:when] {
		if o.data == nil {
			safe = i
		}
	}
	for i, o := range d.log[:when] {
		if i < safe || random.IntN(2) == 0 {
			copy(content[o.at:], o.data)
		}
	}
	return content
}

// mount puts the disk's file system at a folder.
func (d *recorder) mount(at string) {
	d.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		err := unix.Mount(d.device, at, "ext4", 0, "")
		if err == nil {
			break
		}
		if !errors.Is(err, unix.EIO) || time.Now().After(deadline) { // the kernel has just begun to serve it
			d.t.Fatalf("mount %s: %v", d.device, err)
		}
	}
	d.t.Cleanup(func() { d.unmount(at) })
}

func (d *recorder) unmount(at string) {
	if err := unix.Unmount(at, 0); err != nil && !errors.Is(err, unix.EINVAL) { // not mounted any more
		d.t.Errorf("unmount %s: %v", at, err)
	}
}

// format makes a file system.
func (d *recorder) format() {
	d.t.Helper()
	if out, err := exec.Command("mke2fs", "-q", "-F", "-t", "ext4", "-E", "lazy_itable_init=0", d.device).CombinedOutput(); err != nil {
		d.t.Fatalf("mke2fs: %v\n%s", err, out)
	}
}
