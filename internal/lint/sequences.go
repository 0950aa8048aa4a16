package lint

import (
	"fmt"
	"slices"

	"sallyport/internal/packet"
)

const (
	webDoor     = "\n[[door]]\nname = \"web\"\nports = [\"tcp/443\"]\n"
	otherRandom = "sequence = [\"tcp/30211\", \"udp/7759\", \"udp/26903\", \"tcp/11468\", \"udp/18325\"]\n"
	goodPorts   = "use five ports drawn at random, of both protocols: sallyport door rotate makes them"
)

var sequenceRules = []Rule{
	{
		Name: "weak-sequence", Group: Sequences, Severity: Warning,
		Summary: "a sequence can be guessed by trying",
		Why: "Each knock that someone sends can be the last of a sequence, so each is a guess. After 200 wrong ones within a minute " +
			"(of an IPv6 /48: 4,000) nothing counts any more that a source sends, until it has been quiet for a minute. " +
			"The times in the message are for half of all sequences as likely as this one: one source is a /48, which everybody can have, " +
			"with 4,000 guesses a minute (an error below a year); " +
			"and 10,000 such sources can be rented (a warning below ten years). Two knocks are always too few. " +
			"A port drawn at random counts 16 bits; round numbers, ports of services and ports that follow from the one before count less.",
		Remedy: goodPorts,
		Bad:    Example{Config: sshDoor + "sequence = [\"tcp/21409\", \"udp/4813\"]\n"},
		Good:   Example{Config: sshDoor + random},
		check:  checkWeak,
	},
	{
		Name: "known-sequence", Group: Sequences, Severity: Error,
		Summary: "a sequence is in manuals and tutorials, or in the documents of Sallyport",
		Why:     "Anyone who looks for knocked doors tries these first, in whatever mix of protocols, forwards and backwards.",
		Remedy:  goodPorts,
		Bad:     Example{Config: sshDoor + "sequence = [\"tcp/7000\", \"udp/8000\", \"tcp/9000\"]\n"},
		Good:    Example{Config: spaPort + sshDoor + alice},
		check: eachSequence(func(s static) string {
			if published(s.knocks) {
				return "the sequence is a well-known example"
			}
			return ""
		}),
	},
	{
		Name: "arithmetic-sequence", Group: Sequences, Severity: Warning,
		Summary: "each knock follows from the two before by adding the same number",
		Why:     "Two ports reveal all of them.",
		Remedy:  goodPorts,
		Bad:     Example{Config: sshDoor + "sequence = [\"tcp/12110\", \"udp/13441\", \"tcp/14772\", \"udp/16103\"]\n"},
		Good:    Example{Config: sshDoor + random},
		check: eachSequence(func(s static) string {
			if step, ok := arithmetic(s.knocks); ok {
				return fmt.Sprintf("each knock is the one before %+d", step)
			}
			return ""
		}),
	},
	{
		Name: "ordered-sequence", Group: Sequences, Severity: Warning,
		Summary: "the ports only rise, or only fall",
		Why: "Someone who tries a list of ports in order, which is how scanners do it, and happens to leave out those in between, " +
			"makes this sequence. (One that even a whole scan makes is refused when the configuration is read.)",
		Remedy: "change the order of its knocks, or sallyport door rotate",
		Bad:    Example{Config: sshDoor + "sequence = [\"tcp/4813\", \"tcp/9377\", \"tcp/15042\", \"tcp/21409\", \"tcp/28761\"]\n"},
		Good:   Example{Config: sshDoor + "sequence = [\"tcp/4813\", \"tcp/15042\", \"tcp/9377\", \"tcp/28761\", \"tcp/21409\"]\n"},
		check: eachSequence(func(s static) string {
			if _, even := arithmetic(s.knocks); !even && len(s.knocks) > 2 && ordered(s.knocks) {
				return "the ports are in order"
			}
			return ""
		}),
	},
	{
		Name: "scanned-ports", Group: Sequences, Severity: Warning,
		Summary: "half of the knocks or more are ports that scanners try",
		Why: "Scanners touch the ports of well-known services, often several of them in one go. Each such visit is a " +
			"knock too: it completes the sequence for someone else, or breaks it for anyone who shares that address.",
		Remedy: goodPorts,
		Bad:    Example{Config: sshDoor + "sequence = [\"tcp/8080\", \"tcp/3306\", \"tcp/21409\", \"udp/5060\"]\n"},
		Good:   Example{Config: sshDoor + random},
		check: eachSequence(func(s static) string {
			n := 0
			for _, p := range s.knocks {
				if scanned(p.Number) {
					n++
				}
			}
			if 2*n < len(s.knocks) {
				return ""
			}
			return fmt.Sprintf("%d of %d knocks are ports that scanners try", n, len(s.knocks))
		}),
	},
	{
		Name: "similar-sequences", Group: Sequences, Severity: Warning,
		Summary: "two sequences differ in one knock",
		Why:     "Anyone who knows or overhears one has the other after a few thousand tries; and anyone who mistypes opens the wrong door.",
		Remedy:  "change one of the two: sallyport door rotate",
		Bad:     Example{Config: sshDoor + random + webDoor + "sequence = [\"udp/21409\", \"tcp/4813\", \"tcp/28761\", \"udp/9377\", \"tcp/15043\"]\n"},
		Good:    Example{Config: sshDoor + random + webDoor + otherRandom},
		check: func(in input, tell report) {
			all := in.lasting()
			pairs := alike(all)
			for _, i := range sortedKeys(pairs) {
				tell(all[i].place, fmt.Sprintf("%s: all but one of its knocks are those of %s at %s", all[i].title(), all[pairs[i]].title(), all[pairs[i]].place))
			}
		},
	},
}

// Below these times a sequence is weak.
const (
	errorBelow   = year      // one source
	warningBelow = 10 * year // a botnet
)

// checkWeak tells the weakest sequence under each title, so that a file of
// one-time sequences is one problem.
func checkWeak(in input, tell report) {
	type weak struct {
		static
		bits float64
	}
	weakest := make(map[string]weak)
	var order []string
	for _, s := range in.statics() {
		w, seen := weakest[s.title()]
		if !seen {
			order = append(order, s.title())
		}
		if b := bits(s.knocks); !seen || b < w.bits {
			weakest[s.title()] = weak{s, b}
		}
	}
	for _, title := range order {
		w := weakest[title]
		one, many := guessTime(w.bits, 1), guessTime(w.bits, botnet)
		if one >= errorBelow && many >= warningBelow {
			continue
		}
		text := fmt.Sprintf("%s: %.0f bits: one source guesses it in %s, %d sources in %s", title, w.bits, span(one), botnet, span(many))
		options := []option{as(Warning)}
		if one < errorBelow {
			options[0] = as(Error)
		}
		tell(w.place, text, options...)
	}
}

// eachSequence makes a check of a judgement on one sequence: what is wrong with
// it, or nothing. One-time sequences of a door are told once.
func eachSequence(judge func(static) string) func(input, report) {
	return func(in input, tell report) {
		told := make(map[string]bool)
		for _, s := range in.statics() {
			if told[s.title()] {
				continue
			}
			if text := judge(s); text != "" {
				told[s.title()] = true
				tell(s.place, s.title()+": "+text)
			}
		}
	}
}

// arithmetic tells by what the ports of a sequence of three or more grow, if
// it is always the same.
func arithmetic(knocks []packet.Port) (step int, ok bool) {
	if len(knocks) < 3 {
		return 0, false
	}
	step = int(knocks[1].Number) - int(knocks[0].Number)
	for i := range knocks[1:] {
		if int(knocks[i+1].Number)-int(knocks[i].Number) != step {
			return 0, false
		}
	}
	return step, true
}

func ordered(knocks []packet.Port) bool {
	rising := func(a, b packet.Port) int { return int(a.Number) - int(b.Number) }
	falling := func(a, b packet.Port) int { return int(b.Number) - int(a.Number) }
	return slices.IsSortedFunc(knocks, rising) || slices.IsSortedFunc(knocks, falling)
}
