// Package stats sums up repeated measurements: a median, never alone but with
// its spread. It is pure.
package stats

import (
	"math"
	"slices"
)

// Summary is what is told about a series of measurements, in their own unit.
// The zero Summary stands for none.
type Summary struct {
	N   int     `json:"n"`
	Min float64 `json:"min"`
	P25 float64 `json:"p25"`
	P50 float64 `json:"p50"`
	P75 float64 `json:"p75"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// Of sums up a series. It does not change samples.
func Of(samples []float64) Summary {
	if len(samples) == 0 {
		return Summary{}
	}
	s := slices.Sorted(slices.Values(samples))
	return Summary{
		N:   len(s),
		Min: s[0],
		P25: Percentile(s, 25),
		P50: Percentile(s, 50),
		P75: Percentile(s, 75),
		P90: Percentile(s, 90),
		P99: Percentile(s, 99),
		Max: s[len(s)-1],
	}
}

// Percentile returns the value that p percent of a sorted series, which must
// not be empty, do not exceed. Between two neighbours it interpolates; so the
// 50th percentile is the median as usually taught.
func Percentile(sorted []float64, p float64) float64 {
	rank := p / 100 * float64(len(sorted)-1)
	below := int(math.Floor(rank))
	if below+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	share := rank - float64(below)
	return sorted[below]*(1-share) + sorted[below+1]*share
}
