package desk

import (
	"slices"

	"sallyport/internal/key"
)

func sameKey(a, b key.Public) bool { return a.Equal(b) }

// Server returns the public server keys of a gate, as the roll holds them.
func Server(ring key.Keyring) (list []key.Public) {
	for _, h := range ring.All() {
		list = append(list, h.Current.Public())
	}
	return slices.Clip(list)
}

// Names returns the names of the clients, or gates, of a roll in order.
func Names[V any](m map[string]V) []string {
	list := make([]string, 0, len(m))
	for name := range m {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}
