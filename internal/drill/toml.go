//go:build linux

package drill

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/config"
	"sallyport/internal/packet"
	"sallyport/internal/phrase"
)

// writer writes a configuration file, key by key.
type writer struct{ strings.Builder }

func (w *writer) set(key string, value any) {
	switch v := value.(type) {
	case string:
		if v != "" {
			fmt.Fprintf(w, "%s = %s\n", key, config.Quote(v))
		}
	case time.Duration:
		if v != 0 {
			fmt.Fprintf(w, "%s = %s\n", key, config.Quote(phrase.Duration(v)))
		}
	case time.Time:
		if !v.IsZero() {
			fmt.Fprintf(w, "%s = %s\n", key, v.UTC().Format(time.RFC3339))
		}
	case int:
		if v != 0 {
			fmt.Fprintf(w, "%s = %d\n", key, v)
		}
	case bool:
		fmt.Fprintf(w, "%s = %t\n", key, v)
	}
}

func list[T any](w *writer, key string, values []T) {
	if len(values) == 0 {
		return
	}
	var words []string
	for _, v := range values {
		words = append(words, config.Quote(fmt.Sprint(v)))
	}
	fmt.Fprintf(w, "%s = [%s]\n", key, strings.Join(words, ", "))
}

// write writes the files of a plan into a folder, and returns the path of the main one.
func (p *plan) write(dir string) (string, error) {
	var w writer
	p.writeGate(&w, dir)
	p.writeDetect(&w)
	for i := range p.Doors {
		if err := p.writeDoor(&w, dir, &p.Doors[i]); err != nil {
			return "", err
		}
	}
	for _, g := range p.Groups {
		fmt.Fprintln(&w, "[[group]]")
		w.set("name", g.Name)
		list(&w, "doors", g.Doors)
		if len(g.Sequence) > 0 {
			list(&w, "sequence", g.Sequence)
			w.set("within", g.Within)
		}
	}
	for i := range p.Clients {
		p.writeClient(&w, &p.Clients[i])
	}
	path := filepath.Join(dir, "sallyport.toml")
	return path, os.WriteFile(path, []byte(w.String()), 0o600)
}

func (p *plan) writeGate(w *writer, dir string) {
	fmt.Fprintln(w, "[daemon]")
	w.set("state_dir", filepath.Join(dir, "state"))
	w.set("socket", filepath.Join(dir, "control.sock"))
	fmt.Fprintln(w, "[gate]")
	w.set("name", p.Gate.Name)
	w.set("policy", string(p.Gate.Policy))
	w.set("closed", string(p.Gate.Closed))
	w.set("timezone", "UTC")
	list(w, "public", p.Gate.Public)
	list(w, "trusted", p.Gate.Trusted)
	if p.SPA.Port != 0 {
		fmt.Fprintln(w, "[spa]")
		w.set("port", int(p.SPA.Port))
		w.set("clock_skew", p.SPA.ClockSkew)
		w.set("ack", p.SPA.Ack)
		w.set("require_bound", p.SPA.RequireBound)
		w.set("stun", p.SPA.STUN)
	}
	fmt.Fprintln(w, "[rotating]")
	w.set("knocks", p.Rotating.Knocks)
	w.set("ports", fmt.Sprintf("%d-%d", p.Rotating.First, p.Rotating.Last))
	w.set("proto", string(p.Rotating.Protos))
	w.set("within", p.Rotating.Within)
	fmt.Fprintln(w, "[journal]")
	w.set("chain", p.Journal.Chain)
	fmt.Fprintln(w, "[moat]")
	w.set("mode", string(config.MoatOff))
}

func (p *plan) writeDetect(w *writer) {
	fmt.Fprintln(w, "[detect]")
	w.set("enabled", p.Detect.Enabled)
	writeThresholds(w, &p.Detect)
	fmt.Fprintln(w, "[ban]")
	w.set("enabled", p.Ban.Enabled)
	w.set("for", p.Ban.For)
	w.set("tries", p.Ban.Tries)
	list(w, "decoys", p.Ban.Decoys)
}

func writeThresholds(w *writer, d *config.Detect) {
	w.set("scan_ports", d.ScanPorts)
	w.set("scan_window", d.ScanWindow)
	w.set("slow_ports", d.SlowPorts)
	w.set("slow_window", d.SlowWindow)
	w.set("scan_sources", d.ScanSources)
	w.set("guesses", d.Guesses)
	w.set("guess_sources", d.GuessSources)
	w.set("near_misses", d.NearMisses)
	w.set("replays", d.Replays)
	w.set("forbidden", d.Forbidden)
	w.set("two_places", d.TwoPlaces)
	w.set("unused", d.Unused)
	w.set("failed_logins", d.FailedLogins)
	w.set("flood", d.Flood)
}

func (p *plan) writeDoor(w *writer, dir string, d *config.Door) error {
	fmt.Fprintln(w, "[[door]]")
	w.set("name", d.Name)
	list(w, "ports", d.Ports)
	w.set("open_for", d.OpenFor)
	w.set("single", d.Single)
	w.set("widen4", d.Widen4)
	w.set("widen6", d.Widen6)
	list(w, "sequence", d.Sequence)
	if len(d.Previous) > 0 {
		list(w, "sequence_previous", d.Previous)
		w.set("sequence_previous_until", d.PreviousUntil)
	}
	if len(d.Sequence) > 0 || len(d.OneTime) > 0 {
		w.set("within", d.Within)
	}
	if h := p.hours[d.Name]; h != "" {
		list(w, "hours", []string{h})
	}
	if len(d.OneTime) == 0 {
		return nil
	}
	file := filepath.Join(dir, d.Name+".sequences")
	w.set("sequences_file", file)
	var lines strings.Builder
	for _, o := range d.OneTime {
		lines.WriteString(words(o.Knocks) + "\n")
	}
	return os.WriteFile(file, []byte(lines.String()), 0o600)
}

func (p *plan) writeClient(w *writer, c *config.Client) {
	fmt.Fprintln(w, "[[client]]")
	w.set("name", c.Name)
	list(w, "doors", doorsOf(c))
	if s := p.signers[c.Name]; s != nil {
		w.set("key", strings.TrimSpace(string(ssh.MarshalAuthorizedKey(s.PublicKey()))))
	}
	w.set("rotating", p.secrets[c.Name].Text())
	if !c.From.IsZero() {
		list[netip.Prefix](w, "from", c.From.Allowed())
	}
	w.set("stun", c.STUN)
	list(w, "suites", c.Suites)
	w.set("expires", c.Expires)
	w.set("max_open", c.MaxOpen)
	w.set("single", c.Single)
	w.set("max_grants", c.Most)
}

// doorsOf lists the doors of a client that no group of it holds, and its groups.
func doorsOf(c *config.Client) []string {
	return append(append([]string(nil), c.Doors...), c.Groups...)
}

func words(knocks []packet.Port) string {
	var list []string
	for _, k := range knocks {
		list = append(list, k.String())
	}
	return strings.Join(list, " ")
}
