package webhook

import (
	"encoding/json"
	"fmt"
	"strings"

	"sallyport/internal/event"
	"sallyport/internal/inert"
	"sallyport/internal/siem"
)

// message writes an event in the form of a place.
func message(format string, p siem.Product, e event.Event) ([]byte, error) {
	if format != "slack" {
		return siem.Append(nil, siem.Format(format), p, e)
	}
	text, err := json.Marshal(map[string]string{"text": slack(p, e)})
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
	if f := e.Finding; f != nil {
		fmt.Fprintf(&b, "%s: %s", plain(string(f.Severity)), plain(f.Explanation))
		if f.Count > 1 {
			fmt.Fprintf(&b, " (seen %d times)", f.Count)
		}
		if f.Advice != "" {
			fmt.Fprintf(&b, "\n%s", plain(f.Advice))
		}
		return b.String()
	}
	b.WriteString(plain(string(e.Kind)))
	for _, word := range []struct{ before, text string }{
		{" of door ", e.Door}, {" for ", e.Client}, {" from ", source(e)}, {" (", string(e.Reason)}, {": ", e.Detail},
	} {
		if word.text == "" {
			continue
		}
		b.WriteString(word.before)
		if word.before == ": " {
			b.WriteString("`" + plain(word.text) + "`") // others have a hand in it; in code nothing is read as markup
			continue
		}
		b.WriteString(plain(word.text))
		if word.before == " (" {
			b.WriteString(")")
		}
	}
	return b.String()
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
