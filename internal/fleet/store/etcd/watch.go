package etcd

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"sallyport/internal/fleet/store"
)

// Watch implements store.Store. It uses the protocol itself, and not the watcher of the
// library, which keeps without a bound what is not worked off, and resumes by itself
// after a break that we must know of.
func (s *Store) Watch(ctx context.Context, prefixes []string, from int64, take func(store.Batch) error) error {
	ctx, stop := context.WithCancelCause(clientv3.WithRequireLeader(ctx))
	defer stop(nil)
	stream, err := pb.NewWatchClient(s.client.ActiveConnection()).Watch(ctx, grpc.MaxCallRecvMsgSize(store.MostMessage))
	if err != nil {
		return failure("follow etcd", err)
	}
	for i, p := range prefixes {
		create := &pb.WatchCreateRequest{Key: []byte(p), RangeEnd: []byte(clientv3.GetPrefixRangeEnd(p)), StartRevision: from, WatchId: int64(i + 1), Fragment: true}
		if err := stream.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: create}}); err != nil {
			return failure("follow etcd", err)
		}
	}
	group, both := errgroup.WithContext(ctx)
	q := &questions{last: time.Now()}
	group.Go(func() error {
		err := q.ask(both, stream)
		stop(err) // which ends the stream
		return err
	})
	group.Go(func() error { return receive(ctx, stream, q, take) })
	return group.Wait()
}

// silence is how long a stream may say nothing although it is asked.
const silence = 3 * store.ProgressEvery

// questions are what is asked on a stream: whether the server follows its leader.
type questions struct {
	mu    sync.Mutex
	asked time.Time // the first question without an answer; zero: there is none
	last  time.Time // when anything was heard
}

// ask asks again and again, and gives up on a server that says nothing: what is behind a
// broken link looks like peace.
func (q *questions) ask(ctx context.Context, stream pb.Watch_WatchClient) error {
	every := time.NewTicker(store.ProgressEvery)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
			if q.put(time.Now()) > silence {
				return fmt.Errorf("follow etcd: %w", store.ErrUnreachable)
			}
			if err := stream.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_ProgressRequest{ProgressRequest: &pb.WatchProgressRequest{}}}); err != nil {
				return failure("follow etcd", err)
			}
		}
	}
}

// put notes a question, and returns for how long nothing has been heard.
func (q *questions) put(now time.Time) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.asked.IsZero() {
		q.asked = now
	}
	return now.Sub(q.last)
}

// heard notes that something was heard, and returns when it was asked for, if it is an
// answer. A server may leave questions without one, so an answer counts for the first that
// has none, and further ones for nothing until the next question.
func (q *questions) heard(now time.Time, answer bool) (asked time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.last = now; answer {
		asked, q.asked = q.asked, time.Time{}
	}
	return asked
}

var errEnded = errors.New("the server has ended the watch")

// receive hands over what arrives.
func receive(ctx context.Context, stream pb.Watch_WatchClient, q *questions, take func(store.Batch) error) error {
	for {
		a, err := stream.Recv()
		if err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return failure("follow etcd", err)
		}
		asked := q.heard(time.Now(), len(a.Events) == 0 && !a.Created && !a.Canceled)
		switch {
		case a.CompactRevision != 0:
			return fmt.Errorf("follow etcd: %w", store.ErrCompacted)
		case a.Canceled:
			return fmt.Errorf("follow etcd: %w: %s", errEnded, a.CancelReason)
		}
		b := batch(a)
		b.Asked = asked
		if err := take(b); err != nil {
			return err
		}
	}
}

func batch(a *pb.WatchResponse) store.Batch {
	b := store.Batch{}
	if a.Header != nil {
		b.Seen = store.Seen{Cluster: a.Header.ClusterId, Revision: a.Header.Revision}
	}
	for _, e := range a.Events {
		if e.Kv != nil {
			b.Events = append(b.Events, store.Event{Record: store.Record{Key: string(e.Kv.Key), Value: e.Kv.Value, Revision: e.Kv.ModRevision}, Deleted: e.Type == mvccpb.DELETE})
		}
	}
	return b
}
