package lang

import (
	"maps"
	"slices"
)

// japanese is the table of all Japanese texts. Words for things are those of
// README.ja.md.
var japanese = func() map[string]string {
	all := make(map[string]string)
	for _, part := range []map[string]string{jaReasons, jaRules, jaPage, jaWhy, jaDrill, jaGuide, jaObserve, jaAsks, jaFleet} {
		maps.Copy(all, part)
	}
	return all
}()

// Keys returns every English text that the table has, sorted.
func Keys() []string { return slices.Sorted(maps.Keys(japanese)) }
