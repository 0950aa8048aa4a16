package netstate

import (
	"errors"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

var (
	errShort   = errors.New("message from the kernel is too short")
	errChanged = errors.New("the list kept changing while it was read")
)

// dumpTries is how often a list is read again that changed meanwhile.
const dumpTries = 10

// dump asks the kernel for a list and returns the parsed entries that are ok.
func dump[T any](family int, request netlink.Message, parse func([]byte) (T, bool, error)) ([]T, error) {
	// Strict: without it the kernel leaves out nothing of what is asked for.
	conn, err := netlink.Dial(family, &netlink.Config{Strict: family == unix.NETLINK_ROUTE})
	if err != nil {
		return nil, err
	}
	defer conn.Close()

	request.Header.Flags = netlink.Request | netlink.Dump
	for range dumpTries {
		messages, err := conn.Execute(request)
		if err != nil {
			return nil, err
		}
		if interrupted(messages) {
			continue
		}
		return parseAll(messages, parse)
	}
	return nil, errChanged
}

// interrupted reports whether the kernel marked the list as inconsistent: an
// entry may be missing that was there all the time.
func interrupted(messages []netlink.Message) bool {
	for _, m := range messages {
		if m.Header.Flags&netlink.DumpInterrupted != 0 {
			return true
		}
	}
	return false
}

func parseAll[T any](messages []netlink.Message, parse func([]byte) (T, bool, error)) ([]T, error) {
	entries := make([]T, 0, len(messages))
	for _, m := range messages {
		entry, ok, err := parse(m.Data)
		if err != nil {
			return nil, err
		}
		if ok {
			entries = append(entries, entry)
		}
	}
	return entries, nil
}
