//go:build linux

package inspect

import (
	"fmt"
	"strings"
	"testing"

	"sallyport/internal/lab"
	"sallyport/internal/lab/labtest"
)

// BenchmarkPublishedOfACluster reads what kube-proxy makes of many services with
// load balancers and two endpoints each, which the daemon does again and again.
func BenchmarkPublishedOfACluster(b *testing.B) {
	labtest.Need(b, "peers", "nft")
	for _, services := range []int{100, 5000} {
		b.Run(fmt.Sprint(services), func(b *testing.B) {
			l := labtest.New(b, lab.Options{})
			cmd := l.Gate.Command(b.Context(), "nft", "-f", "-")
			cmd.Stdin = strings.NewReader(clusterOf(services))
			if out, err := cmd.CombinedOutput(); err != nil {
				b.Fatalf("%v\n%s", err, out)
			}
			if err := l.Gate.Do(func() error {
				for b.Loop() {
					list, err := Published()
					if err != nil || len(list) != services {
						return fmt.Errorf("%d ports, %w", len(list), err)
					}
				}
				return nil
			}); err != nil {
				b.Fatal(err)
			}
		})
	}
}

func clusterOf(services int) string {
	var r strings.Builder
	r.WriteString("table ip nat {\nchain KUBE-SERVICES {}\nchain PREROUTING { type nat hook prerouting priority dstnat; jump KUBE-SERVICES; }\n")
	for i := range services {
		fmt.Fprintf(&r, "chain KUBE-SEP-%da { meta l4proto tcp dnat to 10.244.0.5:8080; }\nchain KUBE-SEP-%db { meta l4proto tcp dnat to 10.244.0.6:8080; }\n", i, i)
		fmt.Fprintf(&r, "chain KUBE-SVC-%d { numgen random mod 2 0 jump KUBE-SEP-%da; jump KUBE-SEP-%db; }\nchain KUBE-EXT-%d { jump KUBE-SVC-%d; }\n", i, i, i, i, i)
	}
	r.WriteString("}\n")
	for i := range services {
		fmt.Fprintf(&r, "add rule ip nat KUBE-SERVICES ip daddr 10.91.%d.%d tcp dport 443 jump KUBE-EXT-%d\n", i/250, i%250, i)
	}
	return r.String()
}
