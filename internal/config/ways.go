package config

import "sallyport/internal/packet"

// way is a sequence written in the configuration, of whatever kind.
type way struct {
	s       *section // of the door or group
	key     string   // that it stands under
	at      Place
	knocks  []packet.Port
	oneTime bool
}

// ways lists every sequence that is written in the configuration.
func (l *loader) ways() []way {
	var list []way
	for i, d := range l.config.Doors {
		s := l.doors[i]
		if len(d.Sequence) > 0 {
			list = append(list, way{s: s, key: "sequence", at: s.at("sequence"), knocks: d.Sequence})
		}
		if len(d.Previous) > 0 {
			list = append(list, way{s: s, key: "sequence_previous", at: s.at("sequence_previous"), knocks: d.Previous})
		}
		for _, o := range d.OneTime {
			list = append(list, way{s: s, key: "one-time sequence", at: o.Place, knocks: o.Knocks, oneTime: true})
		}
	}
	for i, g := range l.config.Groups {
		if s := l.groups[i]; len(g.Sequence) > 0 {
			list = append(list, way{s: s, key: "sequence", at: s.at("sequence"), knocks: g.Sequence})
		}
	}
	return list
}
