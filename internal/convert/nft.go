package convert

import (
	"slices"
	"strings"

	"sallyport/internal/packet"
)

// readNft reads the arguments of nft: a rule added, inserted or deleted, or an
// element of a set.
func readNft(args []string) (rule, bool) {
	text := strings.NewReplacer("{", " { ", "}", " } ", ";", " ; ").Replace(strings.Join(args, " "))
	words := strings.Fields(text)
	words = slices.DeleteFunc(words, func(w string) bool { return strings.HasPrefix(w, "-") })
	if len(words) < 2 {
		return rule{}, false
	}
	verb, object := words[0], words[1]
	adds := verb == "add" || verb == "insert" || verb == "create"
	switch {
	case !adds && verb != "delete" && verb != "destroy":
		return rule{}, false
	case object == "element":
		return nftElement(adds, words[2:])
	case object == "rule":
		return nftRule(adds, words[2:])
	}
	return rule{}, false
}

// nftElement reads "inet filter knockers { %IP% . tcp . 22 timeout 30s }".
func nftElement(adds bool, words []string) (rule, bool) {
	r := rule{opens: adds}
	at := slices.IndexFunc(words, isSource)
	if at < 0 {
		return r, false
	}
	protocol := ""
	for i, w := range words[at+1:] {
		switch {
		case w == "tcp" || w == "udp":
			protocol = w
		case w == "timeout" && at+i+2 < len(words):
			r.lasts = duration(words[at+i+2])
			return r, true
		case w == "}":
			return r, true
		case w != "." && w != "expires":
			r.addPorts(w, protocol)
		}
	}
	return r, true
}

// nftRule reads "inet filter input ip saddr %IP% tcp dport { 22, 80 } accept",
// and the deletion of a rule by its handle, which tells nothing more.
func nftRule(adds bool, words []string) (rule, bool) {
	r := rule{everybody: true}
	if !adds {
		return r, slices.Contains(words, "handle")
	}
	if i := slices.Index(words, "comment"); i >= 0 { // it stands last
		words = words[:i]
	}
	if i := slices.IndexFunc(words[:min(len(words), 3)], behind); i >= 0 { // family, table, chain
		r.forward, r.chain = true, words[i]
	}
	for i, w := range words[:max(0, len(words)-1)] {
		next := words[i+1]
		switch {
		case w == "saddr":
			r.everybody = !isSource(next)
		case w == "dport" && next == "!=":
			return r, false
		case w == "proto-dst" && i > 1 && words[i-2] == "ct": // ct original proto-dst: as the outside sees it
			r.ports, r.forward, r.chain = nil, false, ""
			r.addPorts(nftSet(words[i+1:]), "tcp")
			return r.verdict(words)
		case w == "dport" && i > 0:
			r.addPorts(nftSet(words[i+1:]), nftProtocol(words[i-1]))
		}
	}
	return r.verdict(words)
}

// verdict takes over what a rule does with the packets that it is about, which
// it says at its end.
func (r rule) verdict(words []string) (rule, bool) {
	if len(words) == 0 {
		return r, false
	}
	switch words[len(words)-1] {
	case "accept":
		r.opens = true
	case "drop", "reject":
	default:
		return r, false
	}
	return r, true
}

// nftSet returns what stands for one or several values, with commas between.
func nftSet(words []string) string {
	if words[0] != "{" {
		return words[0]
	}
	end := slices.Index(words, "}")
	if end < 0 {
		end = len(words)
	}
	return strings.Trim(strings.ReplaceAll(strings.Join(words[1:end], ""), " ", ""), ",")
}

func nftProtocol(word string) string {
	if word == packet.TCP.String() || word == packet.UDP.String() {
		return word
	}
	return "" // "th dport": both
}
