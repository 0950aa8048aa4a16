//go:build linux

package moat

import "math"

// registers is the number of registers in which the program counts distinct
// ports (HyperLogLog: Flajolet et al., 2007), for a standard error of 13 %.
const registers = 64

// distinct estimates how many ports have been seen.
func distinct(r [registers]uint8) uint32 {
	const alpha = 0.709 // for 64 registers
	sum, zeros := 0.0, 0
	for _, rank := range r {
		sum += math.Ldexp(1, -int(rank))
		if rank == 0 {
			zeros++
		}
	}
	estimate := alpha * registers * registers / sum
	if estimate <= 2.5*registers && zeros > 0 {
		estimate = registers * math.Log(float64(registers)/float64(zeros)) // linear counting is better for few
	}
	return uint32(math.Round(estimate))
}
