package page

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Link is what the page needs to know of a gate, short enough for a QR code. What
// rotating sequences need has the keys of the URI that the program's own QR code
// holds.
type Link struct {
	Host      netip.Addr // an address: a browser asks its resolver about names, with each knock
	Name      string     // what the user calls the gate; "": by its address
	Doors     []Door
	Secret    string // for rotating sequences; "": none
	Shape     string // such as "5 tcp 1024-32767"
	Gate      string // its name in the derivation of the sequences; "": it has none
	ServerKey string // suite x25519; "": none
	Port      uint16
	Issued    time.Time // when: a device whose clock is earlier has a wrong clock
}

// Door is a door of a link.
type Door struct {
	Name string
	Open time.Duration // how long it stays open; 0: not known
}

// Text returns the link, to be opened behind the address of a page and "#".
func (l Link) Text() string {
	var names, seconds []string
	for _, d := range l.Doors {
		names, seconds = append(names, d.Name), append(seconds, strconv.Itoa(int(d.Open/time.Second)))
	}
	q := url.Values{"d": {strings.Join(names, ",")}, "o": {strings.Join(seconds, ",")}, "t": {strconv.FormatInt(l.Issued.Unix(), 10)}}
	set := func(key, value string) {
		if value != "" {
			q.Set(key, value)
		}
	}
	set("n", l.Name)
	if l.Secret != "" {
		set("s", l.Secret)
		set("r", strings.ReplaceAll(l.Shape, " ", ","))
		set("g", l.Gate)
	}
	if l.ServerKey != "" {
		set("k", l.ServerKey)
		set("p", strconv.Itoa(int(l.Port)))
	}
	host := l.Host.String()
	if l.Host.Is6() {
		host = "[" + host + "]"
	}
	return "sallyport://" + host + "?" + q.Encode()
}
