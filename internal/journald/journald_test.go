//go:build linux

package journald

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// journal is what listens in the place of systemd-journald.
func journal(t *testing.T, path string) *net.UnixConn {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// read returns the fields of the next message, as the journal takes them apart.
func read(t *testing.T, conn *net.UnixConn) map[string]string {
	t.Helper()
	b := make([]byte, 65536)
	if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	n, err := conn.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	for b = b[:n]; len(b) > 0; {
		name, rest, _ := bytes.Cut(b, []byte("\n"))
		size := int(binary.LittleEndian.Uint64(rest))
		if _, twice := got[string(name)]; twice || rest[8+size] != '\n' {
			t.Fatalf("not a message: %q", b)
		}
		got[string(name)] = string(rest[8 : 8+size])
		b = rest[8+size+1:]
	}
	return got
}

func open(t *testing.T, path string) (log *slog.Logger, other *bytes.Buffer) {
	t.Helper()
	to, err := dial(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(to.fd) })
	other = new(bytes.Buffer)
	return slog.New(newHandler(to, slog.NewTextHandler(other, nil), slog.LevelInfo)), other
}

func TestFields(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	conn := journal(t, path)
	log, other := open(t, path)
	log.Debug("too much")
	log.Info("refusal", "door", "ssh", "client", "alice", "source", "192.0.2.1", "reason", "hours", "detail", "a b\nPRIORITY=0\n", "n", 7)
	want := map[string]string{
		"MESSAGE":          `level=INFO msg=refusal door=ssh client=alice source=192.0.2.1 reason=hours detail="a b\nPRIORITY=0\n" n=7`,
		"PRIORITY":         "6",
		"SALLYPORT_KIND":   "refusal",
		"SALLYPORT_DOOR":   "ssh",
		"SALLYPORT_CLIENT": "alice",
		"SALLYPORT_SOURCE": "192.0.2.1",
		"SALLYPORT_REASON": "hours",
		"SALLYPORT_DETAIL": "a b\nPRIORITY=0\n",

		"SYSLOG_IDENTIFIER": "sallyport",
	}
	if got := read(t, conn); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	log.With("door", "db").WithGroup("g").Error("failure", "door", "x")
	if got := read(t, conn); got["MESSAGE"] != "level=ERROR msg=failure door=db g.door=x" || got["PRIORITY"] != "3" {
		t.Errorf("%q", got)
	}
	if other.Len() > 0 {
		t.Errorf("also written elsewhere: %s", other)
	}
}

// A journal that takes nothing holds nobody up.
func TestJournalThatIsFull(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	journal(t, path) // nobody reads
	log, other := open(t, path)
	for range 5000 {
		log.Warn("overload")
	}
	if n := strings.Count(other.String(), "msg=overload"); n == 0 || n == 5000 {
		t.Errorf("%d of 5000 messages were written elsewhere", n)
	}
}

func TestJournalThatIsRestarted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	conn := journal(t, path)
	log, other := open(t, path)
	conn.Close()
	log.Info("start")
	if !strings.Contains(other.String(), "msg=start") {
		t.Errorf("lost while nobody listened: %q", other)
	}
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	conn = journal(t, path)
	log.Info("stop")
	if got := read(t, conn); got["SALLYPORT_KIND"] != "stop" {
		t.Errorf("%q", got)
	}
}

func TestManyAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	conn := journal(t, path)
	log, other := open(t, path)
	const each, writers = 50, 8
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for range each {
				log.Info("grant", "door", "ssh")
			}
		})
	}
	all.Wait()
	n := strings.Count(other.String(), "\n")
	for range each*writers - n {
		if got := read(t, conn); got["MESSAGE"] != "level=INFO msg=grant door=ssh" {
			t.Fatalf("%q", got)
		}
	}
}

// Without the journal on standard error, nothing goes there behind its back.
func TestOnlyWhereStandardErrorGoes(t *testing.T) {
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, stream := range []string{"", "1:2", "nonsense"} {
		if _, ok := New(file, stream, slog.DiscardHandler, slog.LevelInfo); ok {
			t.Errorf("JOURNAL_STREAM=%q: taken", stream)
		}
	}
}
