package stats_test

import (
	"slices"
	"testing"

	"sallyport/bench/internal/stats"
)

func TestPercentile(t *testing.T) {
	tests := []struct {
		name   string
		sorted []float64
		p      float64
		want   float64
	}{
		{"one value is every percentile", []float64{7}, 99, 7},
		{"median of an odd number", []float64{1, 2, 9}, 50, 2},
		{"median of an even number is between the middle two", []float64{1, 2, 4, 9}, 50, 3},
		{"the lowest", []float64{1, 2, 9}, 0, 1},
		{"the highest", []float64{1, 2, 9}, 100, 9},
		{"between neighbours", []float64{0, 10}, 90, 9},
	}
	for _, tt := range tests {
		if got := stats.Percentile(tt.sorted, tt.p); got != tt.want {
			t.Errorf("%s: percentile %v of %v is %v, want %v", tt.name, tt.p, tt.sorted, got, tt.want)
		}
	}
}

func TestOf(t *testing.T) {
	if got := stats.Of(nil); got != (stats.Summary{}) {
		t.Errorf("nothing measured is summed up as %+v", got)
	}
	samples := []float64{5, 1, 4, 2, 3}
	want := stats.Summary{N: 5, Min: 1, P25: 2, P50: 3, P75: 4, P90: 4.6, P99: 4.96, Max: 5}
	if got := stats.Of(samples); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if !slices.Equal(samples, []float64{5, 1, 4, 2, 3}) {
		t.Errorf("the series was changed to %v", samples)
	}
}
