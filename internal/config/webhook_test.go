package config

import (
	"reflect"
	"testing"
	"time"

	"sallyport/internal/event"
)

func TestWebhooks(t *testing.T) {
	c := loaded(t, "sallyport.toml", doors(aDoor)+`
[[webhook]]
url = "https://chat.example/hooks/1?x=y"
[[webhook]]
url = "http://127.0.0.1:8080/"
format = "ocsf"
on = ["grant", "finding"]
min_severity = "info"
token_file = "/etc/sallyport/token"
timeout = "3s"
[[webhook]]
url = "https://ntfy.example/topic"
format = "ntfy"
link = "https://console.example.net/"
on = ["asked"]
[[webhook]]
url = "https://edge.example/sallyport"
reconcile = true
`)
	want := []Webhook{
		{URL: "https://chat.example/hooks/1?x=y", Format: "json", On: []event.Kind{"finding"}, MinSeverity: "medium", Timeout: 10 * time.Second, Place: c.Webhooks[0].Place},
		{URL: "http://127.0.0.1:8080/", Format: "ocsf", On: []event.Kind{"grant", "finding"}, MinSeverity: "info", TokenFile: "/etc/sallyport/token", Timeout: 3 * time.Second, Place: c.Webhooks[1].Place},
		{URL: "https://ntfy.example/topic", Format: "ntfy", Link: "https://console.example.net/", On: []event.Kind{"asked"}, MinSeverity: "medium", Timeout: 10 * time.Second, Place: c.Webhooks[2].Place},
		{URL: "https://edge.example/sallyport", Format: "json", Reconcile: true, On: []event.Kind{"finding"}, MinSeverity: "medium", Timeout: 10 * time.Second, Place: c.Webhooks[3].Place},
	}
	if !reflect.DeepEqual(c.Webhooks, want) {
		t.Errorf("%+v", c.Webhooks)
	}
}

func TestWebhooksAreRefused(t *testing.T) {
	const (
		url     = `url='https://x.example/', `
		wantURL = `want an address that begins with https://, or with http:// for localhost, such as "https://chat.example/hooks/1"`
		wantOn  = `want a list of ack, allowed, asked, ban, declined, drill, expiry, failure, finding, grant, key, overload, reload, repair, revocation, start, stop or use`
	)
	for _, c := range []struct{ toml, want string }{
		{"{}", "url is missing: " + wantURL},
		{"{url='http://chat.example/secret'}", "url: " + wantURL},
		{"{url='https:///secret'}", "url: " + wantURL},
		{"{url='file:///etc/passwd'}", "url: " + wantURL},
		{"{url='chat.example'}", "url: " + wantURL},
		{"{" + url + "format='xml'}", `format = "xml": want "json" or "slack" or "ntfy" or "ocsf" or "ecs"`},
		{"{" + url + "format='slack', link='javascript:alert(1)'}", `link = "javascript:alert(1)": want an address that begins with https:// or http://, such as "https://console.example.net/"`},
		{"{" + url + "link='https://console.example/'}", `link: only messages for people have one: format = "slack" or "ntfy"`},
		{"{" + url + "reconcile=true, on=['grant']}", `on means nothing with reconcile = true: the place hears what is open, and nothing else`},
		{"{" + url + "on=['refusal']}", `on = "refusal": ` + wantOn},
		{"{" + url + "on=[]}", `on = […]: ` + wantOn},
		{"{" + url + "min_severity='bad'}", `min_severity = "bad": want "medium" or "info" or "low" or "high" or "critical"`},
		{"{" + url + "token_file='token'}", `token_file = "token": want an absolute path`},
		{"{" + url + "timeout='1h'}", `timeout = "1h": want 1s to 1m`},
	} {
		refuses(t, tree("sallyport.toml", doors(aDoor)+"\nwebhook=["+c.toml+"]"), main+":2: webhook: "+c.want)
	}
}
