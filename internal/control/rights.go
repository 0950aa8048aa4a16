package control

import (
	"context"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Rights are what an asker may do. Each verb needs one of them, and the daemon
// decides at every request.
type Rights uint8

// The rights. View is to see everything but secrets; Act is to open one address
// within the door's limits, to revoke, to ban, and to acknowledge findings; Admin is
// to open beyond those limits, to change what is in force, and to end the daemon.
// The others are for programs that need a verb or two only.
const (
	View   Rights = 1 << iota
	Act           //
	Admin         //
	Revoke        // end grants, and nothing else
	Lists         // read who may use a door, where the door is for that
	Asking        // ask for someone to be let in, and what became of it; nothing is opened by that
)

// What those have who were given a right.
const (
	Viewer        = View | Lists
	Actor         = Viewer | Act | Revoke
	Administrator = Actor | Admin | Asking
)

// Has reports whether all of the given rights are among these.
func (r Rights) Has(needed Rights) bool { return r&needed == needed }

// String names them for people: "view, act".
func (r Rights) String() string {
	var names []string
	for i, name := range []string{"view", "act", "admin", "revoke", "lists", "ask"} {
		if r&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// asker is who has asked for what a Handler does.
type asker struct {
	name   string // empty: another system
	rights Rights
	unread bool // a token could not be read: it may have been this one
}

// askerKey is the key of the asker in the context of what is done.
type askerKey struct{}

// Asker names who asks, within a Handler: "root", "uid 1000" where the user has no
// name, "console says alice" where a program asks for someone else, and "another
// system" by the API.
func Asker(ctx context.Context) string {
	if a, ok := ctx.Value(askerKey{}).(asker); ok && a.name != "" {
		return a.name
	}
	return "another system"
}

// RightsOf returns the rights of who asks, within a Handler.
func RightsOf(ctx context.Context) Rights {
	a, _ := ctx.Value(askerKey{}).(asker)
	return a.rights
}

// As is a context in which a user with these rights asks, for calling a Handler
// without a server.
func As(ctx context.Context, name string, rights Rights) context.Context {
	return context.WithValue(ctx, askerKey{}, asker{name: name, rights: rights})
}

// OnBehalf is the header with which a program says for whom it asks. It changes what
// is on record, and no right.
const OnBehalf = "Sallyport-On-Behalf-Of"

// maxBehalf is how long a name there may be, in bytes.
const maxBehalf = 64

// named puts together who asks. The name ends in logs, on terminals and in pages: it is
// of printable characters only.
func named(caller, behalf string) string {
	if behalf == "" {
		return caller
	}
	if len(behalf) > maxBehalf {
		behalf = strings.ToValidUTF8(behalf[:maxBehalf], "")
	}
	clean := strings.Map(func(r rune) rune {
		if !strconv.IsPrint(r) || r == utf8.RuneError {
			return -1
		}
		return r
	}, behalf)
	return caller + " says " + clean
}

// NoMoreThan is the header with which a program gives rights up for one request, which it
// makes for someone who has fewer than itself: "view", "act" or "admin". It gives none.
const NoMoreThan = "Sallyport-No-More-Than"

// atMost returns the rights that such a header leaves: none where it says something else.
func atMost(header string) Rights {
	switch header {
	case "", "admin":
		return ^Rights(0)
	case "act":
		return Actor
	case "view":
		return Viewer
	}
	return 0
}

// Needed returns the right that a request needs, and whether there is such a verb in
// version 1.
func Needed(method, path string) (right Rights, ok bool) {
	for _, v := range verbs {
		if method == v.method && fits(version+v.path, path) {
			return v.right, true
		}
	}
	return 0, false
}

// fits reports whether a path is one of a pattern, in which "{door}" is any one part.
func fits(pattern, path string) bool {
	parts := strings.Split(path, "/")
	for i, p := range strings.Split(pattern, "/") {
		if i >= len(parts) || p != parts[i] && (!strings.HasPrefix(p, "{") || parts[i] == "") {
			return false
		}
	}
	return strings.Count(pattern, "/") == len(parts)-1
}
