package webhook

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"sallyport/internal/config"
	"sallyport/internal/event"
	"sallyport/internal/inert"
	"sallyport/internal/siem"
)

// message writes an event in the form of a place.
func message(w config.Webhook, p siem.Product, e event.Event) ([]byte, error) {
	switch w.Format {
	case "slack":
	case "ntfy":
		return []byte(notification(e)), nil
	default:
		return siem.Append(nil, siem.Format(w.Format), p, e)
	}
	said := slack(p, e)
	if w.Link != "" {
		said += "\n" + w.Link // the administrator's own, where an operator looks at it
	}
	text, err := json.Marshal(map[string]string{"text": said})
	if err != nil {
		return nil, fmt.Errorf("write an event for a chat: %w", err)
	}
	return inert.JSON(text), nil
}

// slack says it in a sentence or two for people. What an attacker may have
// chosen can neither call anybody nor be a link: not in Slack, and not in
// Mattermost and Discord, which take the same messages and read them as Markdown.
func slack(p siem.Product, e event.Event) string {
	title := "Sallyport"
	if p.Host != "" {
		title += " on " + p.Host
	}
	var b strings.Builder
	fmt.Fprintf(&b, "*%s*: ", plain(title))
	b.WriteString(sentence(e, plain, "`"))
	return b.String()
}

// notification says the same as plain text: nothing is read as markup there, but telephones
// make links of what looks like one, with or without a scheme. A stranger's note must not
// be a button under a message of ours.
func notification(e event.Event) string { return sentence(e, brief, "") }

func brief(text string) string {
	return linked.ReplaceAllString(inert.Text(text[:min(len(text), maxPlain)]), "$1\u200b$2")
}

// linked is where a text could go on as a link; addresses of hosts are none.
var linked = regexp.MustCompile(`(:/|mailto:|@|\.)([/\pL])`)

// sentence says what has happened. Clean makes inert what others may have chosen, and
// what they have a hand in stands between quotes.
func sentence(e event.Event, clean func(string) string, quote string) string {
	var b strings.Builder
	if f := e.Finding; f != nil {
		fmt.Fprintf(&b, "%s: %s", clean(string(f.Severity)), clean(f.Explanation))
		if f.Count > 1 {
			fmt.Fprintf(&b, " (seen %d times)", f.Count)
		}
		if f.Advice != "" {
			fmt.Fprintf(&b, "\n%s", clean(f.Advice))
		}
		return b.String()
	}
	b.WriteString(clean(headline(e)))
	for _, word := range []struct{ before, text string }{
		{" of door ", e.Door}, {" for ", e.Client}, {" from ", source(e)}, {" (", string(e.Reason)}, {": ", e.Detail},
	} {
		if word.text == "" {
			continue
		}
		b.WriteString(word.before)
		if word.before == ": " {
			b.WriteString(quote + clean(word.text) + quote) // in code nothing is read as markup
			continue
		}
		b.WriteString(clean(word.text))
		if word.before == " (" {
			b.WriteString(")")
		}
	}
	return b.String()
}

// headline is what an event begins with.
func headline(e event.Event) string {
	if e.Kind == event.KindAsked {
		return "someone asks to be let in, and has a code for you: asked"
	}
	return string(e.Kind)
}

func source(e event.Event) string {
	if !e.Source.IsValid() {
		return ""
	}
	return e.Source.String()
}

// maxPlain bounds a text within a message.
const maxPlain = 1000

// escape: & < and > as Slack asks for. A zero-width space takes its meaning from
// what is a name to be called, a link or an address to each of them.
var escape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "\n", " ", "\r", " ", "*", "∗", "_", "ˍ", "`", "ʼ", "~", "∼",
	"@", "@\u200b", "](", "]\u200b(", "][", "]\u200b[", "]:", "]\u200b:", "://", ":\u200b//", "www.", "www\u200b.", "#", "#\u200b")

func plain(text string) string {
	return escape.Replace(strings.ToValidUTF8(text[:min(len(text), maxPlain)], ""))
}
