//go:build weakened

package weak

import (
	"os"
	"slices"
	"strings"
)

// What is left out, as the variable SALLYPORT_WITHOUT lists it.
var (
	Replay  = without("replay")
	Bound   = without("bound")
	Proof   = without("proof")
	Steps   = without("steps")
	Timeout = without("timeout")
)

func without(check string) bool {
	return slices.Contains(strings.Split(os.Getenv("SALLYPORT_WITHOUT"), ","), check)
}
