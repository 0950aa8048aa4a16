package lint

import (
	"encoding/base32"
	"fmt"
	"math"
	"slices"

	"sallyport/internal/packet"
	"sallyport/internal/sequence"
)

// bits estimates how much someone must guess who knows how people choose
// ports, as a logarithm to base 2. A port drawn at random is worth 16 bits. One
// that follows a habit is worth what it takes to choose among the ports of that
// habit, and among the habits. The protocols are worth one bit each, or one for
// all if they are the same.
func bits(knocks []packet.Port) float64 {
	sum := 1.0
	if slices.ContainsFunc(knocks, func(p packet.Port) bool { return p.Proto != knocks[0].Proto }) {
		sum = float64(len(knocks))
	}
	for i := range knocks {
		sum += knockBits(knocks, i)
	}
	return sum
}

// knockBits is what the number of one knock adds to those before it.
func knockBits(knocks []packet.Port, i int) float64 {
	const random = 16
	n := int(knocks[i].Number)
	least := float64(random)
	try := func(habit bool, choices int) {
		if habit {
			least = min(least, math.Log2(habits)+math.Log2(float64(choices)))
		}
	}
	try(scanned(knocks[i].Number), len(scannedPorts))
	try(n%1000 == 0, 65)
	try(n%100 == 0, 655)
	try(sameDigits(n), 9*5)
	try(1900 <= n && n < 2100, 200)
	if i > 0 {
		step := n - int(knocks[i-1].Number)
		try(-10 <= step && step <= 10, 21)
		try(slices.ContainsFunc(knocks[:i], func(p packet.Port) bool { return int(p.Number) == n }), i)
		try(i > 1 && step == int(knocks[i-1].Number)-int(knocks[i-2].Number), 1)
	}
	return least
}

// habits is how many habits knockBits knows.
const habits = 8

// sameDigits recognises 7, 22, 3333.
func sameDigits(n int) bool {
	for d := n % 10; n > 0; n /= 10 {
		if n%10 != d {
			return false
		}
	}
	return true
}

// pattern reports what is not random in a secret, or nothing. Of 20 random bytes
// 19 are different on average, and one in 10^8 such secrets is nothing but text.
func pattern(s sequence.Secret) string {
	data, err := base32.StdEncoding.DecodeString(s.Text())
	if err != nil {
		return "" // not reached: secrets are
	}
	text, even := true, true
	seen := make(map[byte]bool)
	for i, b := range data {
		seen[b] = true
		text = text && ' ' <= b && b <= '~'
		even = even && (i == 0 || b-data[i-1] == data[1]-data[0])
	}
	switch {
	case text:
		return "a text"
	case even, 2*len(seen) <= len(data):
		return "a pattern"
	}
	return ""
}

// The means of anyone who guesses. Every knock can be the last of a sequence, so
// each knock he sends is a guess, of which the gate takes only so many a minute
// from one source, and can look at only so many in all (an estimate, on the high
// side).
const (
	siteGuesses = 4000 // a minute from a /48, the largest source: package sequence
	gateRate    = 1_000_000
	botnet      = 10_000 // sources
)

// guessTime is how long it takes on average, which is for half of all there
// are, to guess one of 2^bits sequences from a number of sources.
func guessTime(bits float64, sources int) (seconds float64) {
	return math.Exp2(bits-1) / min(siteGuesses/minute*float64(sources), gateRate)
}

const (
	minute = 60.0
	hour   = 60 * minute
	day    = 24 * hour
	year   = 365.25 * day
)

// span writes a time in words, in the largest unit of which there is one.
func span(seconds float64) string {
	switch {
	case seconds < 1:
		return "less than a second"
	case seconds >= 1e6*year:
		return "millions of years"
	}
	for _, unit := range []struct {
		size float64
		name string
	}{{year, "year"}, {day, "day"}, {hour, "hour"}, {minute, "minute"}, {1, "second"}} {
		n := math.Floor(seconds / unit.size)
		if n == 1 {
			return "1 " + unit.name
		}
		if n > 1 {
			return fmt.Sprintf("%.0f %ss", n, unit.name)
		}
	}
	return "" // not reached: there is at least a second
}
