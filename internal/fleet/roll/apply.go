package roll

import (
	"errors"
	"fmt"

	"sallyport/internal/sshauth"
)

func (c Recovery) apply(s *State, u *undo, _ uint64) error {
	k, err := SSHKey(c.Key)
	if err != nil {
		return err
	}
	if _, taken := s.signers[ID(k)]; taken {
		return errors.New("the recovery key is that of an operator")
	}
	before := s.Recovery
	*u = append(*u, func() { s.Recovery = before })
	s.Recovery = k
	return nil
}

func (c OperatorAdd) apply(s *State, u *undo, _ uint64) error {
	k, err := c.PublicKey()
	if err != nil {
		return err
	}
	other, twice := s.signers[ID(k)]
	switch {
	case s.Operators[c.Name] != Operator{}:
		return fmt.Errorf("there is an operator %q already", c.Name)
	case twice:
		return fmt.Errorf("operator %q has the key of %q", other, c.Name)
	case s.Recovery != nil && ID(s.Recovery) == ID(k):
		return fmt.Errorf("the key of operator %q is the recovery key", c.Name)
	case len(s.Operators) >= MaxOperators:
		return fmt.Errorf("there are %d operators already: want at most %d", len(s.Operators), MaxOperators)
	}
	put(u, s.Operators, c.Name, c.Operator)
	put(u, s.signers, ID(k), c.Name)
	return nil
}

func (c OperatorRemove) apply(s *State, u *undo, _ uint64) error {
	o, ok := s.Operators[c.Name]
	if !ok {
		return fmt.Errorf("there is no operator %.40q", c.Name)
	}
	k, err := o.PublicKey()
	if err != nil {
		return err
	}
	drop(u, s.Operators, c.Name)
	drop(u, s.signers, ID(k))
	return nil
}

func (c GateAdd) apply(s *State, u *undo, _ uint64) error {
	if _, taken := s.Gates[c.Name]; taken {
		return fmt.Errorf("there is a gate %q already", c.Name)
	}
	if len(s.Gates) >= MaxGates {
		return fmt.Errorf("there are %d gates already", len(s.Gates))
	}
	return s.setGate(u, c.Gate)
}

func (c GateReplace) apply(s *State, u *undo, _ uint64) error {
	before, ok := s.Gates[c.Name]
	if !ok {
		return noGate(c.Name)
	}
	drop(u, s.gateKeys, string(before.Key))
	return s.setGate(u, c.Gate)
}

func (s *State) setGate(u *undo, g Gate) error {
	if other, taken := s.gateKeys[string(g.Key)]; taken {
		return fmt.Errorf("gate %q has the key of gate %q", g.Name, other)
	}
	put(u, s.Gates, g.Name, g)
	put(u, s.gateKeys, string(g.Key), g.Name)
	return nil
}

func (c GateRemove) apply(s *State, u *undo, _ uint64) error {
	g, ok := s.Gates[c.Name]
	if !ok {
		return noGate(c.Name)
	}
	drop(u, s.Gates, c.Name)
	drop(u, s.gateKeys, string(g.Key))
	return nil
}

func noGate(name string) error   { return fmt.Errorf("there is no gate %.40q in the fleet", name) }
func noClient(name string) error { return fmt.Errorf("there is no client %.40q in the fleet", name) }

func (c ClientAdd) apply(s *State, u *undo, n uint64) error {
	if _, taken := s.Clients[c.Name]; taken {
		return fmt.Errorf("there is a client %q already", c.Name)
	}
	if len(s.Clients) >= MaxClients {
		return fmt.Errorf("there are %d clients already", len(s.Clients))
	}
	return s.setClient(u, Member{Client: c.Client, Since: n})
}

func (c ClientReplace) apply(s *State, u *undo, _ uint64) error {
	m, ok := s.Clients[c.Name]
	if !ok {
		return noClient(c.Name)
	}
	if err := s.forget(u, &m.Client); err != nil {
		return err
	}
	m.Client = c.Client
	return s.setClient(u, m)
}

func (s *State) setClient(u *undo, m Member) error {
	k, err := m.PublicKey()
	if err != nil {
		return err
	}
	if k != nil {
		id := sshauth.ID(k)
		if other, taken := s.clients[id]; taken {
			return fmt.Errorf("client %q has the key of client %q, or one with the same id", m.Name, other)
		}
		put(u, s.clients, id, m.Name)
	}
	put(u, s.Clients, m.Name, m)
	return nil
}

// forget drops what is known of a client beside its record.
func (s *State) forget(u *undo, c *Client) error {
	k, err := c.PublicKey()
	if k != nil {
		drop(u, s.clients, sshauth.ID(k))
	}
	return err
}

func (c ClientRemove) apply(s *State, u *undo, _ uint64) error {
	m, ok := s.Clients[c.Name]
	if !ok {
		return noClient(c.Name)
	}
	drop(u, s.Clients, c.Name)
	return s.forget(u, &m.Client)
}

func (c Revoke) apply(s *State, u *undo, _ uint64) error {
	return s.revoke(u, c.Name, func(m *Member) { m.Revoked = true })
}

func (c Unrevoke) apply(s *State, u *undo, n uint64) error {
	return s.revoke(u, c.Name, func(m *Member) { m.Revoked, m.Since = false, n })
}

func (s *State) revoke(u *undo, name string, change func(*Member)) error {
	m, ok := s.Clients[name]
	if !ok {
		return noClient(name)
	}
	change(&m)
	put(u, s.Clients, name, m)
	return nil
}

// apply compares: who has followed the roll up to here knows what the checkpoint must say.
func (c Checkpoint) apply(s *State, _ *undo, _ uint64) error {
	if want := s.Checkpoint(); c != want {
		return errors.New("the checkpoint is of another state than this one")
	}
	return nil
}
