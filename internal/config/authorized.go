package config

import (
	"io/fs"
	"path"
	"time"

	"sallyport/internal/sshauth"
)

// readAuthorizedKeys adds the clients of the authorized_keys file, if there is
// one. Times in it without a Z are in the local time zone, as sshd has them.
func (l *loader) readAuthorizedKeys(fsys fs.FS) {
	name := l.config.SPA.AuthorizedKeys
	if !path.IsAbs(name) { // none, or refused already
		return
	}
	f, err := read(fsys, name)
	if err != nil {
		l.errs.add(l.authorizedAt, "spa: authorized_keys: %s %w", abbreviate(name, maxShown), err)
		return
	}
	if f.mode&0o022 != 0 {
		l.errs.add(l.authorizedAt, "spa: authorized_keys: others may change this file (mode %04o): run chmod go-w %s", f.mode.Perm(), name)
	}
	entries, errs := sshauth.ParseAuthorizedKeys(f.data, time.Local)
	for _, e := range errs {
		l.errs.add(Place{name, e.Line}, "%w", e.Unwrap())
	}
	for _, e := range entries {
		at := Place{name, e.Line}
		l.config.Clients = append(l.config.Clients, Client{
			Name: e.Name, Key: e.Key, Doors: e.Doors, From: e.From,
			Expires: e.Expires, MaxOpen: e.MaxOpen, Single: e.Single, Place: at,
		})
		s := l.section("client", newTable(at))
		s.name = e.Name
		l.clients = append(l.clients, s)
	}
}
