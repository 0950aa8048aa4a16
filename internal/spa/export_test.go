package spa

// SealedFrom returns what Seal would have, for acknowledgements in vectors.
func SealedFrom(datagram, ackKey []byte) *Sealed { return &Sealed{Datagram: datagram, ackKey: ackKey} }
