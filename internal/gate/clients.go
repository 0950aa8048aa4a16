package gate

import (
	"sallyport/internal/config"
	"sallyport/internal/sshauth"
)

// clients knows who may ask for doors. It is asked at each decision and nothing
// it says is kept, so that who is enrolled, or taken out, by other means than a
// reload counts from the next message on.
type clients interface {
	// byKey returns the client whose key has an ID, as messages claim it; nil if
	// there is none.
	byKey(id [6]byte) *config.Client
}

// keyed are clients by the ID of their key.
type keyed map[[6]byte]*config.Client

func (k keyed) byKey(id [6]byte) *config.Client { return k[id] }

// configured are the clients of a configuration.
func configured(cfg *config.Config) clients {
	k := make(keyed, len(cfg.Clients))
	for i := range cfg.Clients {
		if c := &cfg.Clients[i]; c.Key != nil {
			k[sshauth.ID(c.Key)] = c
		}
	}
	return k
}
