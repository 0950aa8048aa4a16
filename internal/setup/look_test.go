//go:build linux

package setup

import (
	"fmt"
	"strings"
	"testing"

	"sallyport/internal/inspect"
	"sallyport/internal/netstate"
	"sallyport/internal/packet"
)

func TestCandidates(t *testing.T) {
	for _, c := range []struct{ listening, want string }{
		{"", ""},
		{"tcp/22:sshd", "ssh!"},
		{"tcp/22:systemd", "ssh!"},
		{"tcp/2222:sshd", "ssh!"},
		{"tcp/22:", "ssh!"},
		{"tcp/22:sshd tcp/2222:sshd", "ssh! ssh-tcp-2222!"},
		{"tcp/80:nginx tcp/443:nginx tcp/8080:nginx", "http https nginx"},
		{"tcp/25:master tcp/22:sshd", "ssh! smtp"},
		{"tcp/5432:postgres tcp/3306:mariadbd", "postgres! mariadbd!"},
		{"udp/5432:postgres", "postgres"},
		{"udp/51820:", ""}, // in the ephemeral range
		{"udp/1194:openvpn", "openvpn"},
		{"udp/68:dhclient udp/5353:avahi-daemon udp/123:ntpd", ""},
		{"tcp/8080:", "tcp-8080"},
		{"tcp/8080:systemd", "tcp-8080"},
		{"tcp/8080:My App (1)", "myapp1"},
		{"tcp/8080:..", "tcp-8080"},
		{"tcp/8080:a-very-long-name-of-a-program tcp/8081:a-very-long-name-of-a-program",
			"a-very-long-name-of-a-program a-very-long-name-of--tcp-8081"},
	} {
		var listening []netstate.Service
		for _, word := range strings.Split(c.listening, " ") {
			if port, process, ok := strings.Cut(word, ":"); ok {
				p, err := packet.ParsePort(port)
				if err != nil {
					t.Fatal(err)
				}
				listening = append(listening, netstate.Service{Port: p, Process: process})
			} else if n := len(listening); n > 0 {
				listening[n-1].Process += " " + word // a name with spaces
			}
		}
		var got []string
		for _, s := range candidates(listening, 32768) {
			word := s.Door
			if s.Private {
				word += "!"
			}
			got = append(got, word)
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s\ngives %s\nwant  %s", c.listening, s, c.want)
		}
	}
}

func TestPublishedPortsAreOffered(t *testing.T) {
	port := func(n uint16) packet.Port { return packet.Port{Proto: packet.TCP, Number: n} }
	got := addPublished([]netstate.Service{{Port: port(8080), Process: "docker-proxy"}},
		[]inspect.Forwarded{{Port: port(8080), By: "Docker"}, {Port: port(8081), By: "Docker"}, {Port: port(8082)}})
	if s := fmt.Sprint(got); s != "[{tcp/8080 docker-proxy} {tcp/8081 Docker} {tcp/8082 }]" {
		t.Errorf("got %s", s)
	}
}
