// Package etcd runs real servers of etcd for tests: three of them, with certificates made
// for the occasion, which can be killed, halted, compacted, filled, put back from a
// snapshot and emptied.
package etcd

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"sallyport/internal/lab"
)

// patience is how long servers may take to agree on a leader on a busy machine.
const patience = 2 * time.Minute

// Options say where servers run, and how.
type Options struct {
	Host    *lab.Host  // nil: in the namespace of this process
	Address netip.Addr // the zero Addr: 127.0.0.1
	Dir     string     // for their data and certificates
	Servers int        // 0: three
	Quota   int64      // bytes that a server takes; 0: as etcd has it
	Plain   bool       // without TLS
}

// Cluster is several servers that agree. Its methods are for one goroutine.
type Cluster struct {
	Servers []*Server
	opts    Options
	ca      *authority
	token   int // how often it has been made out of a snapshot
}

// Server is one of them.
type Server struct {
	Name         string
	client, peer string
	cluster      *Cluster
	cmd          *exec.Cmd
	log          bytes.Buffer
}

// Start starts servers and waits until they have a leader.
func Start(o Options) (*Cluster, error) {
	if !o.Address.IsValid() {
		o.Address = netip.MustParseAddr("127.0.0.1")
	}
	if o.Servers == 0 {
		o.Servers = 3
	}
	ca, err := newAuthority(o.Dir)
	if err != nil {
		return nil, err
	}
	c := &Cluster{opts: o, ca: ca}
	if _, err := c.Identity("server", Year); err != nil {
		return nil, err
	}
	if _, err := c.Identity("root", Year); err != nil {
		return nil, err
	}
	addresses, err := c.free(2 * o.Servers)
	if err != nil {
		return nil, err
	}
	for i := range o.Servers {
		c.Servers = append(c.Servers, &Server{Name: fmt.Sprintf("etcd%d", i+1), cluster: c, client: addresses[2*i], peer: addresses[2*i+1]})
	}
	if err := c.run(); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// run starts all servers and waits until they have a leader.
func (c *Cluster) run() error {
	for _, s := range c.Servers {
		if err := s.Start(); err != nil {
			return err
		}
	}
	return c.Wait()
}

// free returns addresses on which nothing listens, all of them different.
func (c *Cluster) free(n int) (list []string, err error) {
	for range n {
		l, failed := c.listen()
		if failed != nil {
			return nil, failed
		}
		defer func() { err = errors.Join(err, l.Close()) }() // when all of them are known
		list = append(list, l.Addr().String())
	}
	return list, nil
}

// Wait waits until the servers have a leader and take what is written.
func (c *Cluster) Wait() error {
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		out, err := c.Ctl("put", "lab/alive", "1")
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("etcd does not take what is written: %w\n%s\n%s", err, out, c.logs())
		}
	}
}

func (c *Cluster) logs() (text string) {
	for _, s := range c.Servers {
		text += s.Name + ": " + s.log.String() + "\n"
	}
	return text
}

// Endpoints are the addresses of all servers for clients.
func (c *Cluster) Endpoints() (list []string) {
	for _, s := range c.Servers {
		list = append(list, s.client)
	}
	return list
}

// command prepares a program where the servers are.
func (c *Cluster) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(e string) bool { return strings.HasPrefix(e, "ETCD") }), "ETCDCTL_API=3")
	return cmd
}

// start starts a program that command has prepared.
func (c *Cluster) start(cmd *exec.Cmd) error {
	if c.opts.Host == nil {
		return cmd.Start()
	}
	return c.opts.Host.Start(cmd)
}

// Ctl runs etcdctl as the user root, and returns what it prints.
func (c *Cluster) Ctl(args ...string) (string, error) {
	return c.ctl(c.Endpoints(), args...)
}

func (c *Cluster) ctl(endpoints []string, args ...string) (string, error) {
	flags := []string{"--endpoints", strings.Join(endpoints, ","), "--dial-timeout", "2s", "--command-timeout", "5s"}
	if !c.opts.Plain {
		flags = append(flags, "--cacert", c.ca.path("ca.pem"), "--cert", c.ca.path("root.pem"), "--key", c.ca.path("root.key"))
	}
	return c.output("etcdctl", append(flags, args...)...)
}

func (c *Cluster) output(name string, args ...string) (string, error) {
	var out bytes.Buffer
	cmd := c.command(name, args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := c.start(cmd); err != nil {
		return "", err
	}
	if err := cmd.Wait(); err != nil {
		return out.String(), fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, bytes.TrimSpace(out.Bytes()))
	}
	return out.String(), nil
}

// Close ends all servers.
func (c *Cluster) Close() error {
	for _, s := range c.Servers {
		s.Kill()
	}
	return nil
}

func (s *Server) dir() string {
	return filepath.Join(s.cluster.opts.Dir, fmt.Sprintf("%s-%d", s.Name, s.cluster.token))
}

func (s *Server) scheme() string {
	if s.cluster.opts.Plain {
		return "http://"
	}
	return "https://"
}

// members is what etcd calls the initial cluster.
func (c *Cluster) members() string {
	var list []string
	for _, s := range c.Servers {
		list = append(list, s.Name+"="+s.scheme()+s.peer)
	}
	return strings.Join(list, ",")
}

// Start starts a server, with the data that it has.
func (s *Server) Start() error {
	c := s.cluster
	args := []string{"--name", s.Name, "--data-dir", s.dir(), "--initial-cluster", c.members(), "--initial-cluster-token", fmt.Sprint("lab", c.token),
		"--listen-client-urls", s.scheme() + s.client, "--advertise-client-urls", s.scheme() + s.client,
		"--listen-peer-urls", s.scheme() + s.peer, "--initial-advertise-peer-urls", s.scheme() + s.peer,
		"--auto-compaction-mode", "periodic", "--auto-compaction-retention", "1h", "--logger", "zap", "--log-level", "error"}
	if !c.opts.Plain {
		for _, kind := range []string{"--", "--peer-"} {
			args = append(args, kind+"cert-file", c.ca.path("server.pem"), kind+"key-file", c.ca.path("server.key"),
				kind+"trusted-ca-file", c.ca.path("ca.pem"), kind+"client-cert-auth")
		}
	}
	if c.opts.Quota > 0 {
		args = append(args, "--quota-backend-bytes", fmt.Sprint(c.opts.Quota))
	}
	s.log.Reset()
	s.cmd = c.command("etcd", args...)
	s.cmd.Stdout, s.cmd.Stderr = &s.log, &s.log
	if err := c.start(s.cmd); err != nil {
		s.cmd = nil
		return fmt.Errorf("start etcd: %w", err)
	}
	return nil
}

// Kill ends a server the hard way.
func (s *Server) Kill() {
	if s.cmd == nil {
		return
	}
	// It can only fail because the process has ended.
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	s.cmd = nil
}

// Halt has a server do nothing more, with its connections open, until Continue: so it is
// for others when its network is gone.
func (s *Server) Halt() error { return s.cmd.Process.Signal(syscall.SIGSTOP) }

// Continue undoes Halt.
func (s *Server) Continue() error { return s.cmd.Process.Signal(syscall.SIGCONT) }
