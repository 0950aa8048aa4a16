package detect

import (
	"time"

	"sallyport/internal/event"
	"sallyport/internal/lang"
)

const replayWindow = time.Hour

var replays = &rule{
	name: "replay",
	explain: func(l lang.Lang, f *event.Finding) string {
		return l.Sayf("%s has repeated a message, or a sequence that works once, that had been used (%s)", who(l, f), times(l, f.Count))
	},
	advice: "It opened nothing and closed nothing. A single copy is the network's doing. If it goes on, someone near that address has recorded it: look at the network there.",
	quiet:  time.Hour,
}

var interception = &rule{
	name: "interception",
	explain: func(l lang.Lang, f *event.Finding) string {
		if f.Client == "" {
			return l.Say("messages of several clients have come again from other addresses: someone on the way reads and sends them")
		}
		return l.Sayf("a message of client %q came again from %s: someone on the way has read it and sent it", f.Client, f.Source)
	},
	advice: "What that message had opened was closed, and the key is not lost. Find out from which network that client knocked, and do not trust it. A client that binds its messages (require_bound demands it) has nothing to fear from copies: they open nothing and close nothing.",
	quiet:  time.Hour,
	ours:   true,
}

// roaming is the copy of a message that a browser repeats until it is answered.
var roaming = &rule{
	name: "roaming",
	explain: func(l lang.Lang, f *event.Finding) string {
		if f.Client == "" {
			return l.Say("messages of several clients have come again from other addresses within seconds: devices change networks, or someone on the way has copies")
		}
		return l.Sayf("a message of client %q came again from %s within seconds: the device has changed networks, or someone on the way has a copy", f.Client, f.Source)
	},
	advice: "What that message had opened was closed; the next message opens it again. If the device has not been under way, do not trust the network that it knocked from.",
	quiet:  time.Hour,
	ours:   true,
}

// usedInvite is an invite that was shown with a second key.
var usedInvite = &rule{
	name: "invite",
	explain: func(l lang.Lang, f *event.Finding) string {
		return l.Sayf("someone at %s has the invite for client %q, which was used before", f.Source, f.Client)
	},
	advice: "It enrolled nobody this time. If the device that is enrolled is not the one that the invite was made for, someone else was faster: remove the client (sallyport client remove NAME --cut) and make a new invite.",
	quiet:  time.Hour,
	ours:   true,
}

// observeReplay takes what was used already. A message is known for the client's
// whatever its source, so what others send from there does not count.
func (d *Detector) observeReplay(e event.Event) {
	counted := &d.sources.make(e.Source, d.at()).replays
	client := ""
	if e.Reason == event.Replayed { // anyone who has overheard a sequence could speak for its client
		client = e.Client
		counted = &d.ofClient(client).replays
	}
	severity := event.Info
	if counted.add(d.at(), seconds(replayWindow)) >= d.limits.Replays {
		severity = event.Medium
	}
	d.raise(subject{rule: replays, source: e.Source, client: client}, severity, 1)
}

func (d *Detector) observeInterception(e event.Event) {
	d.raise(subject{rule: interception, source: e.Source, client: e.Client}, event.High, 1)
}
