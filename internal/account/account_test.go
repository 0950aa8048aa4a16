package account

import (
	"os"
	"os/user"
	"strconv"
	"testing"
)

func TestName(t *testing.T) {
	me, err := user.Current()
	if err != nil {
		t.Skip(err)
	}
	if got := Name(uint32(os.Getuid())); got != me.Username {
		t.Errorf("I am %q, want %q", got, me.Username)
	}
	const nobodyHas = 4_000_000_123
	if got := Name(nobodyHas); got != strconv.FormatUint(nobodyHas, 10) {
		t.Errorf("a user without a name is called %q", got)
	}
}
