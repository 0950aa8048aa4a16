package config

import (
	"net/url"
	"slices"
	"time"

	"github.com/pelletier/go-toml/v2/unstable"

	"sallyport/internal/event"
)

// Webhook is a place on the web that is told what happens.
type Webhook struct {
	URL         string
	Format      string         // "json", "slack", "ntfy", "ocsf" or "ecs"; default "json"
	Reconcile   bool           // it is kept at what is open, and told of nothing else
	Link        string         // where an operator looks at it, in messages for people; empty: nowhere
	On          []event.Kind   // default: findings only
	MinSeverity event.Severity // of findings; default "medium"
	TokenFile   string         // absolute path of a file with a bearer token; empty: none
	Timeout     time.Duration  // for one try; 1s to 1m; default 10s
	Place       Place
}

const maxWebhooks = 20

// webhookKinds are what a webhook can be told. What anybody can cause in any
// number is not among them: findings sum it up.
var webhookKinds = []event.Kind{
	event.KindGrant, event.KindExpiry, event.KindRevocation, event.KindUse, event.KindRepair, event.KindReload, event.KindStart,
	event.KindStop, event.KindOverload, event.KindKey, event.KindFailure, event.KindBan, event.KindFinding, event.KindAck, event.KindDrill,
	event.KindAsked, event.KindAllowed, event.KindDeclined,
}

func (l *loader) readWebhook(t *table) {
	s := l.section("webhook", t)
	w := Webhook{
		Place:       t.place,
		URL:         readURL(s),
		Format:      s.choice("format", "json", "slack", "ntfy", "ocsf", "ecs"),
		Link:        readLink(s),
		On:          readKinds(s),
		MinSeverity: event.Severity(s.choice("min_severity", "medium", "info", "low", "high", "critical")),
		TokenFile:   readPath(s, "token_file", ""),
		Timeout:     s.duration("timeout", 10*time.Second, time.Second, time.Minute),
	}
	w.Reconcile = readReconcile(s)
	s.finish()
	l.config.Webhooks = append(l.config.Webhooks, w)
}

// readURL reads an address on the web. Without TLS it may be of this host only:
// what is told is nobody else's business.
func readURL(s *section) string {
	const want = `an address that begins with https://, or with http:// for localhost, such as "https://chat.example/hooks/1"`
	v := s.scalar("url", unstable.String, want)
	if v == nil {
		if s.table.values["url"] == nil {
			s.errorf(s.table.place, "url is missing: want %s", want)
		}
		return ""
	}
	u, err := url.Parse(v.text)
	local := err == nil && slices.Contains([]string{"localhost", "127.0.0.1", "::1"}, u.Hostname())
	if err != nil || u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !local) {
		s.errorf(v.place, "url: want %s", want) // not shown: it may hold a secret
		return ""
	}
	return u.String()
}

// readReconcile reads whether a place is kept at what is open. What it is told is decided by
// that then.
func readReconcile(s *section) bool {
	if !s.boolean("reconcile", false) {
		return false
	}
	for _, key := range []string{"on", "format", "link", "min_severity"} {
		if s.table.values[key] != nil {
			s.errorf(s.at(key), "%s means nothing with reconcile = true: the place hears what is open, and nothing else", key)
		}
	}
	return true
}

// readLink reads an address for people: a browser opens it, and so it is one of the web.
func readLink(s *section) string {
	const want = `an address that begins with https:// or http://, such as "https://console.example.net/"`
	v := s.scalar("link", unstable.String, want)
	if v == nil {
		return ""
	}
	u, err := url.Parse(v.text)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http" {
		s.bad("link", v, want)
		return ""
	}
	if s.table.values["format"] == nil || s.table.values["format"].text != "slack" && s.table.values["format"].text != "ntfy" {
		s.errorf(v.place, "link: only messages for people have one: format = \"slack\" or \"ntfy\"")
	}
	return u.String()
}

func readKinds(s *section) []event.Kind {
	want := "a list of " + either(webhookKinds)
	v := s.get("on")
	if v == nil {
		return []event.Kind{event.KindFinding}
	}
	if v.kind != unstable.Array || len(v.items) == 0 {
		s.bad("on", v, want)
		return nil
	}
	var all []event.Kind
	for i := range v.items {
		if !slices.Contains(webhookKinds, event.Kind(v.items[i].text)) {
			s.bad("on", &v.items[i], want)
			return nil
		}
		all = append(all, event.Kind(v.items[i].text))
	}
	return all
}
