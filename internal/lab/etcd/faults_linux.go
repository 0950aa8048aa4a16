package etcd

import (
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// Leader returns the server that the others follow.
func (c *Cluster) Leader() (*Server, error) {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		for _, s := range c.Servers {
			if s.cmd == nil {
				continue
			}
			st, err := s.status()
			if err == nil && st.Header.MemberID == st.Leader {
				return s, nil
			}
		}
	}
	return nil, errors.New("etcd has no leader")
}

type state struct {
	Leader uint64
	Header struct {
		MemberID  uint64 `json:"member_id"`
		ClusterID uint64 `json:"cluster_id"`
		Revision  int64
	}
}

func (s *Server) status() (state, error) {
	out, err := s.cluster.ctl([]string{s.client}, "endpoint", "status", "-w", "json")
	if err != nil {
		return state{}, err
	}
	var list []struct{ Status state }
	if err := json.Unmarshal([]byte(out), &list); err != nil || len(list) != 1 {
		return state{}, fmt.Errorf("etcdctl says %q: %w", out, err)
	}
	return list[0].Status, nil
}

// Revision returns how many changes a server knows of.
func (c *Cluster) Revision() (int64, error) {
	s, err := c.Leader()
	if err != nil {
		return 0, err
	}
	st, err := s.status()
	return st.Header.Revision, err
}

// Compact has the servers forget all changes but the latest.
func (c *Cluster) Compact() error {
	revision, err := c.Revision()
	if err == nil {
		_, err = c.Ctl("compact", fmt.Sprint(revision), "--physical")
	}
	return err
}

// Snapshot writes what there is into a file, as an administrator would for a backup.
func (c *Cluster) Snapshot(path string) error {
	s, err := c.Leader()
	if err == nil {
		_, err = c.ctl([]string{s.client}, "snapshot", "save", path)
	}
	return err
}

// Restore makes the servers out of a snapshot: as another cluster with the same addresses,
// whose count of changes is that of then.
func (c *Cluster) Restore(path string) error {
	if err := c.Close(); err != nil {
		return err
	}
	c.token++
	tool := "etcdutl" // which etcdctl has handed this over to
	if _, err := exec.LookPath(tool); err != nil {
		tool = "etcdctl"
	}
	for _, s := range c.Servers {
		_, err := c.output(tool, "snapshot", "restore", path, "--name", s.Name, "--data-dir", s.dir(), "--initial-cluster", c.members(),
			"--initial-cluster-token", fmt.Sprint("lab", c.token), "--initial-advertise-peer-urls", s.scheme()+s.peer)
		if err != nil {
			return err
		}
	}
	return c.run()
}

// Empty makes new servers at the same addresses, which know nothing.
func (c *Cluster) Empty() error {
	if err := c.Close(); err != nil {
		return err
	}
	c.token++
	return c.run()
}

// Delete deletes everything under a prefix, as one who has the servers could.
func (c *Cluster) Delete(prefix string) error {
	_, err := c.Ctl("del", "--prefix", prefix)
	return err
}

// Fill writes until the servers, which have a Quota, take nothing more.
func (c *Cluster) Fill() error {
	for i := int64(0); i <= 2*c.opts.Quota>>15; i++ {
		if out, err := c.Ctl("put", fmt.Sprint("lab/fill/", i), strings.Repeat("x", 60<<10)); err != nil {
			if strings.Contains(out, "space exceeded") {
				return nil
			}
			return err
		}
	}
	return errors.New("etcd has more room than its quota")
}

// Drain makes room again, as an administrator would.
func (c *Cluster) Drain() error {
	err := c.Delete("lab/fill/")
	if err == nil {
		err = c.Compact()
	}
	for _, s := range c.Servers {
		if err == nil {
			_, err = c.ctl([]string{s.client}, "defrag")
		}
	}
	if err == nil {
		_, err = c.Ctl("alarm", "disarm")
	}
	return err
}

// Users makes users who are known by the names in their certificates, and root, who may
// everything; from then on nobody else may anything.
func (c *Cluster) Users(grants map[string][]Grant) error {
	steps := [][]string{{"user", "add", "root", "--no-password"}, {"user", "grant-role", "root", "root"}}
	for user, list := range grants {
		steps = append(steps, []string{"role", "add", user}, []string{"user", "add", user, "--no-password"}, []string{"user", "grant-role", user, user})
		for _, g := range list {
			steps = append(steps, []string{"role", "grant-permission", user, "--prefix=true", g.Kind, g.Prefix})
		}
	}
	for _, step := range append(steps, []string{"auth", "enable"}) {
		if _, err := c.Ctl(step...); err != nil {
			return err
		}
	}
	return nil
}

// Grant lets a user "read", "write" or "readwrite" what lies under a prefix.
type Grant struct{ Kind, Prefix string }
