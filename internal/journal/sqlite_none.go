//go:build mips || mipsle || mips64 || mips64le || ppc64

package journal

import (
	"database/sql"
	"database/sql/driver"
	"fmt"
	"runtime"
)

// SQLite, which was translated from C for each processor, does not exist for this
// one. Without a journal everything else works: the log has all that happens.
func init() { sql.Register("sqlite", none{}) }

type none struct{}

func (none) Open(string) (driver.Conn, error) {
	return nil, fmt.Errorf("there is no SQLite for the processor %s, so there is no journal: what happens is in the log", runtime.GOARCH)
}

func code(error) int { return 0 }
