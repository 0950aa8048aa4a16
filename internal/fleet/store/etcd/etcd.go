// Package etcd reaches the servers of etcd that gates share. Everything that comes from
// there is bounded: the size of an answer, of a page, and, because a watch is read only as
// fast as it is worked off, what waits to be read.
package etcd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"sallyport/internal/fleet/store"
)

// Options say where the servers are and how to prove oneself to them.
type Options struct {
	Endpoints []string    // host:port
	TLS       *tls.Config // nil: none, on loopback only

	// Dial connects to a server from elsewhere; nil: from here.
	Dial func(ctx context.Context, address string) (net.Conn, error)
}

const (
	// keepAlive is how long a connection is silent before the server is asked. Its
	// servers end connections that ask more often than every five seconds.
	keepAlive = 6 * time.Second
	// answerIn is how long one request may take.
	answerIn = 10 * time.Second
)

// Store is a connection to the servers. It implements store.Store.
type Store struct{ client *clientv3.Client }

var _ store.Store = (*Store)(nil)

// Open makes a store. It does not wait for a connection.
func Open(o Options) (*Store, error) {
	scheme := "https://"
	if o.TLS == nil {
		scheme = "http://"
	}
	endpoints := make([]string, len(o.Endpoints))
	for i, e := range o.Endpoints {
		endpoints[i] = scheme + e
	}
	var dial []grpc.DialOption
	if o.Dial != nil {
		dial = append(dial, grpc.WithContextDialer(o.Dial))
	}
	c, err := clientv3.New(clientv3.Config{
		DialOptions: dial,
		Endpoints:   endpoints, TLS: o.TLS, Logger: zap.NewNop(),
		DialTimeout: answerIn, DialKeepAliveTime: keepAlive, DialKeepAliveTimeout: keepAlive,
		MaxCallRecvMsgSize: store.MostMessage, MaxCallSendMsgSize: 2 << 20,
	})
	if err != nil {
		return nil, fmt.Errorf("reach etcd: %w", err)
	}
	return &Store{c}, nil
}

// Close ends the connection.
func (s *Store) Close() error { return s.client.Close() }

// Read implements store.Store.
func (s *Store) Read(ctx context.Context, q store.Query) (store.Page, error) {
	ctx, stop := context.WithTimeout(ctx, answerIn)
	defer stop()
	most := q.Most
	if most <= 0 || most > store.MostPage {
		most = store.MostPage
	}
	from := max(q.Prefix, q.After+"\x00")
	opts := []clientv3.OpOption{clientv3.WithRange(clientv3.GetPrefixRangeEnd(q.Prefix)), clientv3.WithLimit(int64(most)), clientv3.WithSort(clientv3.SortByKey, clientv3.SortAscend)}
	if q.At != 0 {
		opts = append(opts, clientv3.WithRev(q.At))
	}
	if q.After == "" {
		from = q.Prefix
	}
	a, err := s.client.Get(ctx, from, opts...)
	if err != nil {
		return store.Page{}, failure("read from etcd", err)
	}
	page := store.Page{Seen: store.Seen{Cluster: a.Header.ClusterId, Revision: a.Header.Revision}, More: a.More}
	for _, kv := range a.Kvs {
		page.Records = append(page.Records, store.Record{Key: string(kv.Key), Value: kv.Value, Revision: kv.ModRevision})
	}
	return page, nil
}

// Commit implements store.Store.
func (s *Store) Commit(ctx context.Context, conditions []store.If, writes []store.Write) (store.Outcome, error) {
	ctx, stop := context.WithTimeout(ctx, answerIn)
	defer stop()
	var compare []clientv3.Cmp
	var then, otherwise []clientv3.Op
	for _, c := range conditions {
		compare = append(compare, clientv3.Compare(clientv3.ModRevision(c.Key), "=", c.Revision))
		otherwise = append(otherwise, clientv3.OpGet(c.Key))
	}
	for _, w := range writes {
		if w.Delete {
			then = append(then, clientv3.OpDelete(w.Key))
		} else {
			then = append(then, clientv3.OpPut(w.Key, string(w.Value), clientv3.WithLease(clientv3.LeaseID(w.Lease))))
		}
	}
	a, err := s.client.Txn(ctx).If(compare...).Then(then...).Else(otherwise...).Commit()
	if err != nil {
		return store.Outcome{}, failure("write to etcd", err)
	}
	outcome := store.Outcome{Seen: store.Seen{Cluster: a.Header.ClusterId, Revision: a.Header.Revision}, Done: a.Succeeded}
	if a.Succeeded {
		return outcome, nil
	}
	for _, r := range a.Responses {
		for _, kv := range r.GetResponseRange().GetKvs() {
			outcome.Found = append(outcome.Found, store.Record{Key: string(kv.Key), Value: kv.Value, Revision: kv.ModRevision})
		}
	}
	return outcome, nil
}

// Lease implements store.Store.
func (s *Store) Lease(ctx context.Context, ttl time.Duration) (store.Lease, error) {
	ctx, stop := context.WithTimeout(ctx, answerIn)
	defer stop()
	a, err := s.client.Grant(ctx, int64(ttl/time.Second))
	if err != nil {
		return 0, failure("make a lease in etcd", err)
	}
	return store.Lease(a.ID), nil
}

// KeepAlive implements store.Store.
func (s *Store) KeepAlive(ctx context.Context, l store.Lease) error {
	ctx, stop := context.WithTimeout(ctx, answerIn)
	defer stop()
	_, err := s.client.KeepAliveOnce(ctx, clientv3.LeaseID(l))
	if err != nil {
		return failure("keep a lease in etcd", err)
	}
	return nil
}

// failures are the errors of etcd on which something depends, by their code and text.
var failures = []struct{ etcd, ours error }{
	{rpctypes.ErrCompacted, store.ErrCompacted},
	{rpctypes.ErrFutureRev, store.ErrCompacted}, // the database was put back: list again
	{rpctypes.ErrNoLeader, store.ErrNoLeader},
	{rpctypes.ErrTimeoutDueToLeaderFail, store.ErrNoLeader},
	{rpctypes.ErrTimeoutDueToConnectionLost, store.ErrNoLeader},
	{rpctypes.ErrTimeout, store.ErrNoLeader},
	{rpctypes.ErrLeaderChanged, store.ErrNoLeader},
	{rpctypes.ErrPermissionDenied, store.ErrRefused},
	{rpctypes.ErrAuthFailed, store.ErrRefused},
	{rpctypes.ErrUserEmpty, store.ErrRefused},
	{rpctypes.ErrNoSpace, store.ErrFull},
	{rpctypes.ErrLeaseNotFound, store.ErrNoLease},
}

// failure says what has failed in words on which callers can branch.
func failure(what string, err error) error {
	known := rpctypes.Error(err)
	for _, f := range failures {
		if errors.Is(known, f.etcd) {
			return fmt.Errorf("%s: %w", what, f.ours)
		}
	}
	if s, ok := status.FromError(err); ok && s.Code() == codes.Unavailable || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s: %w (%w)", what, store.ErrUnreachable, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}
