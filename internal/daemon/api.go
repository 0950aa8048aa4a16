//go:build linux

package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"time"

	"sallyport/internal/control"
	"sallyport/internal/daemon/services"
)

// apiServices let other systems ask, where the configuration says so.
func (d *Daemon) apiServices(c *change) []services.Service {
	a := c.to.API
	if !a.Listen.IsValid() {
		return nil
	}
	settings := control.API{Address: a.Listen.String(), Cert: a.TLSCert, Key: a.TLSKey, Full: d.apiFull, Events: d.securityEvents(a.CAEP)}
	for _, t := range []control.Token{{File: a.TokenFile, Rights: control.Revoke}, {File: a.ListToken, Rights: control.Lists},
		{File: a.ViewToken, Rights: control.Viewer}, {File: a.ActToken, Rights: control.Actor},
		{File: a.AskToken, Rights: control.Asking}} {
		if t.File != "" {
			settings.Tokens = append(settings.Tokens, t)
		}
	}
	return []services.Service{{Subject: "api", Key: fmt.Sprintf("API %q %v %q", []string{settings.Address, settings.Cert, settings.Key}, settings.Tokens, a.CAEP), Open: func() (services.Opened, error) {
		server, err := d.offerAPI(c, settings)
		if err != nil {
			return services.Opened{}, err
		}
		return services.Opened{
			Run: func(ctx context.Context) error {
				d.api.Store(server)
				return errors.Join(server.Run(ctx), server.Close())
			},
			Close: server.Close,
		}, nil
	}}}
}

// offerAPI listens, where the address stays beside the server before.
func (d *Daemon) offerAPI(c *change, settings control.API) (*control.Server, error) {
	if before := d.api.Load(); before != nil && c.from != nil && c.from.API.Listen == c.to.API.Listen {
		if s, err := before.Again(settings); err == nil || !errors.Is(err, net.ErrClosed) {
			return s, err
		}
	}
	return control.ListenAPI(settings, d, d.log)
}

// apiFull notes that connections had to make room for others.
func (d *Daemon) apiFull() {
	d.problems.Note("api is full", fmt.Sprintf("the API had more connections than it serves, last at %s: the oldest without a token made room; limit who can reach it", time.Now().Format(time.DateTime)))
}

// rightsOf returns what the configuration gives a user of this host.
func (d *Daemon) rightsOf(c control.Caller) control.Rights {
	cfg := d.config.Load()
	if cfg == nil { // the first is not in force yet
		return 0
	}
	var rights control.Rights
	for _, given := range []struct {
		list   []string
		rights control.Rights
	}{{cfg.API.Admin, control.Administrator}, {cfg.API.Act, control.Actor}, {cfg.API.View, control.Viewer}, {cfg.API.Ask, control.Asking}} {
		if listed(given.list, c) {
			rights |= given.rights
		}
	}
	return rights
}

// listed reports whether a user, or a group of his, is in a list of the configuration.
func listed(list []string, c control.Caller) bool {
	if len(list) == 0 {
		return false
	}
	id := strconv.FormatUint(uint64(c.UID), 10)
	name := control.UserName(c.UID)
	return slices.ContainsFunc(list, func(entry string) bool {
		group, isGroup := strings.CutPrefix(entry, "@")
		if !isGroup {
			return entry == id || entry == name
		}
		if g, err := user.LookupGroup(group); err == nil {
			group = g.Gid
		}
		return slices.ContainsFunc(c.Groups, func(g uint32) bool { return strconv.FormatUint(uint64(g), 10) == group })
	})
}

// prepareUsers lets users of this host connect, where some have rights.
func (d *Daemon) prepareUsers(_ context.Context, c *change) (step, error) {
	return step{commit: func() {
		switch err := d.control.OpenTo(c.to.API.HasUsers()); {
		case err != nil:
			d.problems.Fail("users", err.Error())
		default:
			d.problems.Clear("users")
		}
	}}, nil
}
