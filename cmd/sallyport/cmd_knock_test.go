//go:build linux && !client_only

package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"sallyport/client"
)

func TestParseKnock(t *testing.T) {
	for word, want := range map[string]string{
		"tcp/7000": "tcp/7000", "udp/8000": "udp/8000", // ours
		"7000": "tcp/7000", "7000:tcp": "tcp/7000", "8000:udp": "udp/8000", // those of knock(1)
		"": "", "0": "", "65536": "", "07000": "", "7000:": "", ":tcp": "", "7000:icmp": "", "tcp:7000": "", "7000/tcp": "", "7000:tcp:udp": "", "ssh": "",
	} {
		got, err := parseKnock(word)
		if (err == nil) != (want != "") || err == nil && got.String() != want {
			t.Errorf("%q: got %v, %v", word, got, err)
		}
	}
	for _, word := range []string{"7000", "7000:udp", "tcp/7000"} {
		if !isSequence([]string{word}) {
			t.Errorf("%q is taken for the name of a door", word)
		}
	}
	if isSequence([]string{"ssh", "db-2"}) {
		t.Error("doors are taken for a sequence")
	}
}

// A grant that is shorter than what was asked for is said; one that a whole
// second was cut from is not.
func TestNoteShorter(t *testing.T) {
	for _, c := range []struct {
		asked, got time.Duration
		said       string
	}{
		{0, 30 * time.Second, ""},
		{30 * time.Second, 30 * time.Second, ""},
		{30 * time.Second, 29 * time.Second, ""},
		{10 * time.Minute, 30 * time.Second, "asked for 10m, and door \"ssh\" is open for 30s"},
	} {
		var b bytes.Buffer
		noteShorter(&b, c.asked, client.Result{Grants: []client.Grant{{Door: "ssh", For: c.got}}})
		if !strings.Contains(b.String(), c.said) || c.said == "" && b.Len() > 0 {
			t.Errorf("%v of %v: said %q", c.got, c.asked, &b)
		}
	}
}
