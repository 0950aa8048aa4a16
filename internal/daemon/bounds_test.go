//go:build linux

package daemon

import (
	"regexp"
	"strconv"
	"testing"

	"sallyport/internal/config"
	"sallyport/internal/control"
	"sallyport/internal/daemon/decoy"
	"sallyport/internal/metrics"
	"sallyport/internal/unit"
)

// All that strangers can connect to leaves descriptors for the control socket,
// the firewall and the journal.
func TestListenersLeaveDescriptors(t *testing.T) {
	m := regexp.MustCompile(`(?m)^LimitNOFILE=(\d+)$`).FindSubmatch(unit.Service)
	if m == nil {
		t.Fatal("the unit has no LimitNOFILE")
	}
	limit, err := strconv.Atoi(string(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	if most := metrics.MostConnections + control.MostConnections + config.MaxDecoys*decoy.AtOnce; most > limit/3 {
		t.Errorf("strangers can hold %d descriptors of %d", most, limit)
	}
}
