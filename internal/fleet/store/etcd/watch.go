package etcd

import (
	"context"
	"errors"
	"fmt"
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
	heard := make(chan struct{}, 1)
	group.Go(func() error {
		err := askProgress(both, stream, heard)
		stop(err) // which ends the stream
		return err
	})
	group.Go(func() error { return receive(ctx, stream, heard, take) })
	return group.Wait()
}

// silence is how long a stream may say nothing although it is asked.
const silence = 3 * store.ProgressEvery

// askProgress asks again and again whether the server follows its leader, and gives up
// on one that does not answer: what is behind a broken link looks like peace.
func askProgress(ctx context.Context, stream pb.Watch_WatchClient, heard <-chan struct{}) error {
	ask := time.NewTicker(store.ProgressEvery)
	defer ask.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-heard:
			last = time.Now()
		case now := <-ask.C:
			if now.Sub(last) > silence {
				return fmt.Errorf("follow etcd: %w", store.ErrUnreachable)
			}
			if err := stream.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_ProgressRequest{ProgressRequest: &pb.WatchProgressRequest{}}}); err != nil {
				return failure("follow etcd", err)
			}
		}
	}
}

var errEnded = errors.New("the server has ended the watch")

// receive hands over what arrives.
func receive(ctx context.Context, stream pb.Watch_WatchClient, heard chan<- struct{}, take func(store.Batch) error) error {
	for {
		a, err := stream.Recv()
		if err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return failure("follow etcd", err)
		}
		select {
		case heard <- struct{}{}:
		default:
		}
		switch {
		case a.CompactRevision != 0:
			return fmt.Errorf("follow etcd: %w", store.ErrCompacted)
		case a.Canceled:
			return fmt.Errorf("follow etcd: %w: %s", errEnded, a.CancelReason)
		}
		if err := take(batch(a)); err != nil {
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
