package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"sallyport/internal/fleet/store"
)

// Contract checks that a store does what package store says. Compact forgets what was
// before; the store may hold anything that does not begin with "contract/".
func Contract(t *testing.T, s store.Store, compact func()) {
	for name, check := range map[string]func(*testing.T, store.Store, string){
		"pages": pages, "conditions": conditions, "watch": watch, "leases": leases, "takeFails": takeFails, "deleted": deleted,
	} {
		t.Run(name, func(t *testing.T) { check(t, s, "contract/"+name+"/") })
	}
	t.Run("compaction", func(t *testing.T) { compaction(t, s, compact) })
}

// Put writes a record for a test.
func Put(t testing.TB, s store.Store, key, value string) store.Outcome {
	t.Helper()
	o, err := s.Commit(t.Context(), nil, []store.Write{{Key: key, Value: []byte(value)}})
	if err != nil || !o.Done {
		t.Fatalf("put %s: %+v %v", key, o, err)
	}
	return o
}

func pages(t *testing.T, s store.Store, at string) {
	for i := range 10 {
		Put(t, s, fmt.Sprintf("%s%02d", at, i), fmt.Sprint(i))
	}
	page, err := s.Read(t.Context(), store.Query{Prefix: at, Most: 4})
	if err != nil || len(page.Records) != 4 || !page.More || page.Cluster == 0 {
		t.Fatalf("%+v %v", page, err)
	}
	Put(t, s, at+"00x", "later")
	var got string
	seen, err := store.All(t.Context(), s, at, page.Revision, func(r store.Record) error { got += string(r.Value); return nil })
	if err != nil || got != "0123456789" || seen.Cluster != page.Cluster {
		t.Errorf("as of then: %q %+v %v", got, seen, err)
	}
	if page, err = s.Read(t.Context(), store.Query{Prefix: at, After: at + "00", Most: 1}); err != nil || string(page.Records[0].Value) != "later" {
		t.Errorf("%+v %v", page, err)
	}
	if page, err = s.Read(t.Context(), store.Query{Prefix: at + "none"}); err != nil || len(page.Records) != 0 || page.More {
		t.Errorf("%+v %v", page, err)
	}
}

func conditions(t *testing.T, s store.Store, at string) {
	key := at + "a"
	make := func() (store.Outcome, error) {
		return s.Commit(t.Context(), []store.If{{Key: key}}, []store.Write{{Key: key, Value: []byte("mine")}, {Key: key + "2", Value: []byte("too")}})
	}
	first, err := make()
	if err != nil || !first.Done {
		t.Fatalf("%+v %v", first, err)
	}
	second, err := make()
	if err != nil || second.Done || len(second.Found) != 1 || string(second.Found[0].Value) != "mine" || second.Found[0].Revision != first.Revision {
		t.Fatalf("%+v %v", second, err)
	}
	third, err := s.Commit(t.Context(), []store.If{{Key: key, Revision: first.Revision}, {Key: at + "none"}}, []store.Write{{Key: key, Value: []byte("other")}})
	if err != nil || !third.Done || third.Revision <= first.Revision {
		t.Errorf("%+v %v", third, err)
	}
	page, err := s.Read(t.Context(), store.Query{Prefix: at})
	if err != nil || len(page.Records) != 2 || string(page.Records[0].Value) != "other" || string(page.Records[1].Value) != "too" {
		t.Errorf("%+v %v", page, err)
	}
}

// follow watches until there have been as many events, and returns them.
func follow(t *testing.T, s store.Store, prefixes []string, from int64, most int) (list []store.Event) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	enough := errors.New("enough")
	err := s.Watch(ctx, prefixes, from, func(b store.Batch) error {
		if b.Cluster == 0 || b.Revision == 0 {
			t.Errorf("a batch of nowhere: %+v", b)
		}
		if list = append(list, b.Events...); len(list) >= most {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) {
		t.Fatalf("watch: %v", err)
	}
	return list
}

func watch(t *testing.T, s store.Store, at string) {
	from := Put(t, s, at+"a", "0").Revision
	go func() {
		for i := 1; i < 5; i++ {
			_, _ = s.Commit(context.Background(), nil, []store.Write{{Key: at + "a", Value: []byte(fmt.Sprint(i))}, {Key: at + "b/x", Value: []byte(fmt.Sprint(i))}, {Key: at + "c", Value: []byte("unseen")}})
		}
	}()
	got := ""
	for _, e := range follow(t, s, []string{at + "a", at + "b/"}, from, 9) {
		got += string(e.Value)
		if e.Revision < from || e.Deleted {
			t.Errorf("%+v", e)
		}
	}
	// Two watches are in order each for itself.
	if n := len(got); n != 9 {
		t.Errorf("%d events: %q", n, got)
	}
}

func deleted(t *testing.T, s store.Store, at string) {
	from := Put(t, s, at+"a", "0").Revision
	if _, err := s.Commit(t.Context(), nil, []store.Write{{Key: at + "a", Delete: true}}); err != nil {
		t.Fatal(err)
	}
	if list := follow(t, s, []string{at}, from, 2); !list[1].Deleted || list[1].Key != at+"a" {
		t.Errorf("%+v", list)
	}
}

func takeFails(t *testing.T, s store.Store, at string) {
	from, stopped := Put(t, s, at+"a", "0").Revision, errors.New("stopped")
	err := s.Watch(t.Context(), []string{at}, from, func(store.Batch) error { return stopped })
	if !errors.Is(err, stopped) {
		t.Errorf("%v", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := s.Watch(ctx, []string{at}, from, func(store.Batch) error { return nil }); err == nil {
		t.Error("a watch without end")
	}
}

func leases(t *testing.T, s store.Store, at string) {
	l, err := s.Lease(t.Context(), 2*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	o, err := s.Commit(t.Context(), nil, []store.Write{{Key: at + "a", Value: []byte("alive"), Lease: l}})
	if err != nil || !o.Done {
		t.Fatalf("%+v %v", o, err)
	}
	if err := s.KeepAlive(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	there := func() bool {
		page, err := s.Read(t.Context(), store.Query{Prefix: at})
		return err != nil || len(page.Records) == 1
	}
	if !there() {
		t.Error("it is not there")
	}
	for deadline := time.Now().Add(time.Minute); there(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not end")
		}
	}
	if err := s.KeepAlive(t.Context(), l); !errors.Is(err, store.ErrNoLease) {
		t.Errorf("a lease that has ended: %v", err)
	}
	if o, err := s.Commit(t.Context(), nil, []store.Write{{Key: at + "a", Value: []byte("dead"), Lease: l}}); err == nil && o.Done {
		t.Error("it was written with a lease that has ended")
	}
}

func compaction(t *testing.T, s store.Store, compact func()) {
	from := Put(t, s, "contract/old", "0").Revision
	Put(t, s, "contract/old", "1")
	Put(t, s, "contract/old", "2")
	compact()
	Put(t, s, "contract/old", "3")
	if err := s.Watch(t.Context(), []string{"contract/"}, from, func(store.Batch) error { return nil }); !errors.Is(err, store.ErrCompacted) {
		t.Errorf("watch: %v", err)
	}
	if _, err := s.Read(t.Context(), store.Query{Prefix: "contract/", At: from}); !errors.Is(err, store.ErrCompacted) {
		t.Errorf("read: %v", err)
	}
}

// Asked checks what a watch says of the time of its answers, of which the first comes
// after ProgressEvery.
func Asked(t *testing.T, s store.Store, at string) {
	began, enough := time.Now(), errors.New("enough")
	from := Put(t, s, at+"a", "0").Revision
	err := s.Watch(t.Context(), []string{at}, from, func(b store.Batch) error {
		switch {
		case len(b.Events) > 0 && !b.Asked.IsZero():
			t.Errorf("an event answers a question: %+v", b)
		case b.Asked.IsZero():
			return nil
		case b.Asked.Before(began) || b.Age(time.Now()) > time.Since(began):
			t.Errorf("asked at %v, %v ago, and the watch began at %v", b.Asked, b.Age(time.Now()), began)
		}
		return enough
	})
	if !errors.Is(err, enough) {
		t.Errorf("watch: %v", err)
	}
}
