//go:build linux

package etcd_test

import (
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"

	"sallyport/internal/fleet/store"
	etcdstore "sallyport/internal/fleet/store/etcd"
	"sallyport/internal/fleet/store/storetest"
	"sallyport/internal/lab/etcd"
)

// One who stands between and is honest changes nothing; twisting changes what is read,
// what is written and what is followed.
func TestLiar(t *testing.T) {
	c := cluster(t, etcd.Options{Servers: 1})
	must(t, c.Users(nil))
	liar, err := c.Liar()
	must(t, err)
	t.Cleanup(func() { _ = liar.Close() })
	id, err := c.Identity("gate", time.Hour)
	must(t, err)
	config, err := id.TLS()
	must(t, err)
	s, err := etcdstore.Open(etcdstore.Options{Endpoints: []string{liar.Address}, TLS: config})
	must(t, err)
	t.Cleanup(func() { _ = s.Close() })
	storetest.Contract(t, s, func() { must(t, c.Compact()) })

	storetest.Put(t, s, "a", "true")
	liar.Answers(func(m proto.Message) []proto.Message {
		if r, ok := m.(*pb.RangeResponse); ok {
			for _, kv := range r.Kvs {
				kv.Value = []byte("false")
			}
		}
		return []proto.Message{m}
	})
	if got, _ := get(t, s, "a"); got != "false" {
		t.Errorf("twisted: %q", got)
	}
	liar.Answers(nil)
	liar.Requests(func(m proto.Message) []proto.Message {
		if r, ok := m.(*pb.TxnRequest); ok {
			r.Success = nil // it is done, and nothing is
		}
		return []proto.Message{m}
	})
	if out, err := s.Commit(t.Context(), nil, []store.Write{{Key: "a", Value: []byte("lost")}}); err != nil || !out.Done {
		t.Errorf("%+v, %v", out, err)
	}
	if got, _ := get(t, s, "a"); got != "true" {
		t.Errorf("after a write that was swallowed: %q", got)
	}
}
