package setup

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"sallyport/internal/atomicfile"
	"sallyport/internal/key"
	"sallyport/internal/keyfile"
	"sallyport/internal/replay"
	"sallyport/internal/replay/disk"
	"sallyport/internal/spent"
)

// Write puts everything where it belongs, or leaves nothing behind. The
// configuration comes last: without it nothing uses the rest.
func (s *Setup) Write(ctx context.Context, text []byte) (ring key.Keyring, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, s.undo())
		}
	}()
	if s.Unit {
		if err := s.writeUnit(ctx); err != nil {
			return ring, err
		}
	}
	for _, dir := range []string{s.Dir, filepath.Join(s.Dir, "conf.d")} {
		if err := s.folder(dir, 0o750); err != nil {
			return ring, err
		}
	}
	if err := s.folder(s.State, 0o700); err != nil {
		return ring, err
	}
	if ring, err = s.serverKey(); err != nil {
		return ring, err
	}
	err = s.makeStore("replay", func(d *disk.Dir) error { return replay.Create(d) })
	if err == nil {
		err = s.makeStore("spent", func(d *disk.Dir) error { return spent.Create(d) })
	}
	if err != nil {
		return ring, err
	}
	if err := ctx.Err(); err != nil {
		return ring, err
	}
	if err := s.put(s.Config(), text, 0o640); err != nil {
		return ring, err
	}
	return ring, s.hand()
}

// serverKey makes the key, or reads the one that is there: clients may have its
// public half already.
func (s *Setup) serverKey() (key.Keyring, error) {
	if s.KeyKept {
		return keyfile.Load(s.KeyPath())
	}
	ring, err := keyfile.Create(s.KeyPath(), s.Suite)
	if err == nil {
		s.made = append(s.made, s.KeyPath())
	}
	return ring, err
}

// folder makes a folder and those above it, unless they are there.
func (s *Setup) folder(path string, mode fs.FileMode) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	if err := s.folder(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(path, mode); err != nil {
		return err
	}
	s.made = append(s.made, path)
	return nil
}

// makeStore makes a store of what has been seen or used, so that the first
// start believes it. One that is there is kept.
func (s *Setup) makeStore(name string, create func(*disk.Dir) error) error {
	path := filepath.Join(s.State, name)
	_, absent := os.Stat(path)
	files, err := disk.Open(path)
	if err != nil {
		return err
	}
	err = errors.Join(create(files), files.Close())
	if absent == nil {
		return err
	}
	s.made = append(s.made, path)
	list, unread := os.ReadDir(path)
	for _, f := range list {
		s.made = append(s.made, filepath.Join(path, f.Name()))
	}
	return errors.Join(err, unread)
}

// put writes a file that is not there, with a mode whatever the umask is.
func (s *Setup) put(path string, text []byte, mode fs.FileMode) error {
	err := atomicfile.Create(path, text, atomicfile.Options{Mode: mode})
	if err == nil {
		s.made = append(s.made, path)
	}
	return err
}

// undo removes what was made, but no folder that others have used meanwhile.
func (s *Setup) undo() (err error) {
	for _, p := range slices.Backward(s.made) {
		err = errors.Join(err, os.Remove(p))
	}
	return err
}

// hand gives the state that was made to the user that the daemon runs as, if
// there is one, and lets that user's group read the configuration. Folders that
// were there before stay as they are.
func (s *Setup) hand() error {
	account, err := user.Lookup("sallyport")
	if err != nil || os.Getuid() != 0 {
		return nil
	}
	uid, err := strconv.Atoi(account.Uid)
	if err != nil {
		return err
	}
	gid, err := strconv.Atoi(account.Gid)
	if err != nil {
		return err
	}
	return s.give(uid, gid)
}

// give hands what was made to a group, and the state to a user.
func (s *Setup) give(uid, gid int) error {
	for _, p := range s.made {
		owner := 0
		switch {
		case strings.HasPrefix(p+"/", s.State+"/"):
			owner = uid
		case !strings.HasPrefix(p+"/", s.Dir+"/"):
			continue
		}
		if err := os.Lchown(p, owner, gid); err != nil {
			return err
		}
	}
	return nil
}
