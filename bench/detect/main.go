// Detect measures what findings are worth. It simulates, from a seed, days of
// ordinary traffic and attacks of every kind, lets the real gate and the real
// detection judge them, and prints what was found rightly and wrongly.
//
//	go run ./bench/detect [-seed 1] [-trials 40] [-scans 10000] [-only days,attacks,scans,speed] [-peer]
//
// Nothing is sent anywhere and no clock is read: a day takes a second.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
)

func main() {
	seed := flag.Uint64("seed", 1, "of everything that is random")
	days := flag.Int("days", 3, "ordinary days")
	trials := flag.Int("trials", 40, "attacks of each model")
	scans := flag.Int("scans", 10_000, "scans that must open nothing")
	only := flag.String("only", "days,attacks,scans,speed", "what to do")
	peer := flag.Bool("peer", true, "fail2ban beside it, if it is installed")
	flag.Parse()

	wrong := 0
	for _, word := range strings.Split(*only, ",") {
		switch word {
		case "days":
			wrong += ordinaryDays(os.Stdout, *seed, *days)
		case "attacks":
			wrong += attackTable(os.Stdout, *seed, *trials)
		case "scans":
			wrong += falseOpens(os.Stdout, *seed, *scans)
		case "speed":
			speed(os.Stdout, *seed, *peer)
		default:
			fmt.Fprintf(os.Stderr, "bench/detect: -only %q: want days, attacks, scans or speed\n", word)
			os.Exit(2)
		}
	}
	if wrong > 0 {
		fmt.Printf("%d results are not as they should be.\n", wrong)
		os.Exit(1)
	}
}
