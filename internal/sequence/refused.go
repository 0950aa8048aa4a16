package sequence

import "slices"

// refused are the ports from lowest on that are left out, in their order.
var refused = [...]uint16{1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080}

const lowest = 1024

// Refused reports whether rotating sequences leave a port out, because a browser or
// another sends nothing to it: the bad ports of the Fetch standard, and for ICE in
// Chromium all below 1024. The list is part of the derivation (docs/PROTOCOL.md,
// section 11), and so never changes, whatever browsers do.
func Refused(port uint16) bool { return port < lowest || slices.Contains(refused[:], port) }
