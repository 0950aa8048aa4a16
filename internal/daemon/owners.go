//go:build linux

package daemon

import (
	"fmt"
	"os/user"
	"strconv"
	"strings"

	"sallyport/internal/config"
	"sallyport/internal/inspect"
)

// manyForeign is how many files of another user are named.
const manyForeign = 3

// noteForeign names the files that the daemon keeps and that are another
// user's, as a daemon that was started as root leaves them: what cannot be
// read or recorded opens nothing.
func (d *Daemon) noteForeign(cfg *config.Config) {
	for _, dir := range []string{cfg.Daemon.StateDir, d.kept.Dir()} {
		owner, names := inspect.Foreign(dir, cfg.SPA.ServerKey)
		if len(names) == 0 {
			continue
		}
		name := strconv.Itoa(int(owner))
		if u, err := user.LookupId(name); err == nil {
			name = u.Username
		}
		text := strings.Join(names[:min(len(names), manyForeign)], ", ")
		if more := len(names) - manyForeign; more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
		d.failed("owner of "+dir, fmt.Sprintf("%s belongs to %s, and not what is in it (%s): what cannot be recorded there is refused; run as root: chown -R %s: %s, then restart the daemon",
			dir, name, text, name, dir))
	}
}
