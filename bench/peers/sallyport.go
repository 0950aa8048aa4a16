//go:build linux

package peers

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sallyport/bench/internal/report"
)

// Sallyport is the real daemon, as a process of its own.
type Sallyport struct {
	Program string // path of the program
	Policy  string // "doors" or "all"; empty: "all", as the other systems' hosts
	Doors   int    // how many there are; 0: one. The last one is [Door]
}

// Name implements System.
func (s Sallyport) Name() string {
	if s.Policy == "doors" {
		return "sallyport (policy doors)"
	}
	return "sallyport"
}

// Programs implements System.
func (s Sallyport) Programs() []string { return []string{s.Program} }

// SocketName is the file name of the control socket, in the site's directory.
const SocketName = "control.sock"

// Start implements System. It returns when the daemon says that it is ready.
func (s Sallyport) Start(ctx context.Context, site Site) (*Server, error) {
	server, err := serve(ctx, site, s.Program, s.Name(), s.files(site.Dir))
	if err != nil {
		return nil, err
	}
	server.Knock, server.Junk = sequence, firstKnocks
	return server, nil
}

// serve starts the daemon with a configuration. It returns when the daemon says
// that it is ready.
func serve(ctx context.Context, site Site, program, name string, files map[string]string) (*Server, error) {
	in := func(name string) string { return filepath.Join(site.Dir, name) }
	about := report.System{
		Name:    name,
		Version: version(ctx, program, "version"),
		Files:   files,
		Command: []string{"sallyport", "serve", "-c", in("sallyport.toml")},
	}
	if err := site.write(about.Files); err != nil {
		return nil, err
	}
	if err := os.Remove(in("notify.sock")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	ready, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: in("notify.sock"), Net: "unixgram"})
	if err != nil {
		return nil, err
	}
	defer ready.Close()
	begun := time.Now()
	cmd, err := site.daemon(ctx, []string{"NOTIFY_SOCKET=" + in("notify.sock"), "STATE_DIRECTORY=" + in("state")}, program, about.Command[1:]...)
	if err != nil {
		return nil, err
	}
	server := &Server{PID: cmd.Process.Pid, About: about, cmd: cmd}
	if err := awaitReady(ready); err != nil {
		server.Stop()
		return nil, fmt.Errorf("%w: %s", err, tail(in("output.log")))
	}
	server.Ready = time.Since(begun)
	return server, nil
}

// readyDelay is how long the daemon may take to start.
const readyDelay = time.Minute

func awaitReady(conn *net.UnixConn) error {
	if err := conn.SetReadDeadline(time.Now().Add(readyDelay)); err != nil {
		return err
	}
	for buf := make([]byte, 4096); ; {
		n, err := conn.Read(buf)
		if err != nil {
			return errors.New("the daemon does not say that it is ready")
		}
		if strings.Contains(string(buf[:n]), "READY=1") {
			return nil
		}
	}
}

// files is the configuration. Doors are spread over several files, because one
// file may have a megabyte only.
func (s Sallyport) files(dir string) map[string]string {
	policy := s.Policy
	if policy == "" {
		policy = "all"
	}
	files := map[string]string{
		"sallyport.toml":       settings(dir, policy),
		"conf.d/measured.toml": door("door", Door, Sequence),
	}
	const most = 5000
	for first := 0; first < s.Doors-1; first += most {
		var b strings.Builder
		for i := first; i < min(first+most, s.Doors-1); i++ {
			b.WriteString(door(fmt.Sprintf("door-%d", i), otherDoors+i, otherSequence(i)))
		}
		files[fmt.Sprintf("conf.d/doors-%05d.toml", first)] = b.String()
	}
	return files
}

// settings is the part of the configuration without doors.
func settings(dir, policy string) string {
	return fmt.Sprintf("[daemon]\nstate_dir = %q\nsocket = %q\n\n[gate]\npolicy = %q\n", dir, filepath.Join(dir, SocketName), policy)
}

// otherDoors is the port of the first door that is there for their number only.
const otherDoors = 10000

// otherSequence is that of door i, different for each: one of 25 ports for
// every knock.
func otherSequence(i int) []uint16 {
	const first, step, many = 5003, 7, 25
	return []uint16{
		uint16(first + step*(i/many/many)),
		uint16(first + step*(many+i/many%many)),
		uint16(first + step*(2*many+i%many)),
	}
}

func door(name string, port int, sequence []uint16) string {
	knocks := make([]string, len(sequence))
	for i, p := range sequence {
		knocks[i] = fmt.Sprintf("%q", fmt.Sprintf("udp/%d", p))
	}
	return fmt.Sprintf("[[door]]\nname = %q\nports = [\"udp/%d\"]\nopen_for = \"1s\"\nsequence = [%s]\nwithin = \"5s\"\n\n",
		name, port, strings.Join(knocks, ", "))
}
