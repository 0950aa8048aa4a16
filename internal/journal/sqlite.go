//go:build !mips && !mipsle && !mips64 && !mips64le && !ppc64

package journal

import (
	"errors"

	"modernc.org/sqlite" // and the driver "sqlite"
)

// code returns SQLite's result code of an error, without its details.
func code(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code() & 0xff
	}
	return 0
}
