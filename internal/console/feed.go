//go:build linux

package console

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"sallyport/internal/control"
)

const (
	keptNotices   = 4096
	batchBytes    = 64 << 10
	heartbeat     = 15 * time.Second
	sendWithin    = 10 * time.Second
	retryEvery    = 500 * time.Millisecond
	maxStreams    = 128
	streamsOfUser = 16
)

// feed follows the daemon once for all browsers. These read the same bounded memory, each
// from where it has got to: one that is slow costs nothing, holds nothing up, and gets to
// know how much it has missed.
type feed struct {
	follow func(ctx context.Context, after string, began func(), each func(control.Notice) error) error

	readers    bounded
	sendWithin time.Duration // a reader who takes longer for one batch is cut off

	mu    sync.Mutex
	items []item // a ring
	count uint64 // of all that there were; the latest is at (count-1) modulo keptNotices
	there bool   // the daemon is followed
	wake  chan struct{}
}

// item is a notice, and how it is sent.
type item struct {
	notice control.Notice
	text   []byte
}

func newFeed(d *daemon) *feed {
	return &feed{follow: control.Dial(d.socket).FollowFrom, readers: bounded{most: maxStreams}, sendWithin: sendWithin, wake: make(chan struct{})}
}

// run follows the daemon until the context ends, however often that is started again.
func (f *feed) run(ctx context.Context) error {
	last := ""
	for ctx.Err() == nil {
		_ = f.follow(ctx, last, f.found, func(n control.Notice) error { // it ends, sooner or later
			last = n.ID
			f.put(n)
			return nil
		})
		f.lose()
		select {
		case <-ctx.Done():
		case <-time.After(retryEvery):
		}
	}
	return nil
}

func (f *feed) put(n control.Notice) {
	data, err := json.Marshal(n)
	if err != nil {
		return // it was made of JSON
	}
	i := item{n, fmt.Appendf(nil, "id: %s\ndata: %s\n\n", n.ID, data)}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.items) < keptNotices {
		f.items = append(f.items, i)
	} else {
		f.items[f.count%keptNotices] = i
	}
	f.count++
	f.alert()
}

// found notes that the daemon is there.
func (f *feed) found() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.there = true
}

// lose notes that the daemon is away. Who reads is cut off, and finds out when he comes back.
func (f *feed) lose() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.there = false
	f.alert()
}

func (f *feed) alert() {
	close(f.wake)
	f.wake = make(chan struct{})
}

// first is the number of the oldest notice that is kept.
func (f *feed) first() uint64 { return f.count - uint64(len(f.items)) }

// begin returns from which number on a reader goes on who has seen a notice, and what he is
// sent before that: where he is, if he has seen none; that he has to ask for everything
// again, if the notice is not known here any more.
func (f *feed) begin(after string) (next uint64, text []byte, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.there || f.count == 0 {
		return 0, nil, false
	}
	for n := f.count; n > f.first(); n-- {
		if id := f.items[(n-1)%keptNotices].notice.ID; id == after {
			return n, nil, true
		}
	}
	here := control.Notice{ID: f.items[(f.count-1)%keptNotices].notice.ID, Restarted: after != ""}
	data, err := json.Marshal(here)
	return f.count, fmt.Appendf(nil, "id: %s\ndata: %s\n\n", here.ID, data), err == nil
}

// after returns what there is from a number on, a batch of it, and what is closed when
// there is more; ok is false if the daemon is away.
func (f *feed) after(next uint64) (text []byte, now uint64, wake chan struct{}, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	missed := uint64(0)
	for ; next < f.first(); next++ {
		missed++
	}
	for ; next < f.count && len(text) < batchBytes; next++ {
		i := f.items[next%keptNotices]
		if missed > 0 { // what the reader was too slow for
			i.notice.Missed += missed
			data, err := json.Marshal(i.notice)
			if err != nil {
				continue
			}
			i.text, missed = fmt.Appendf(nil, "id: %s\ndata: %s\n\n", i.notice.ID, data), 0
		}
		text = append(text, i.text...)
	}
	return text, next, f.wake, f.there
}

// events is the stream of a browser.
func (c *Console) events(w http.ResponseWriter, v *visit) {
	s, err := c.session(v)
	if err != nil {
		fail(w, err)
		return
	}
	q := v.URL.Query()
	after := q.Get("after")
	if len(q) > 1 || len(q["after"]) > 1 || len(q) == 1 && after == "" {
		fail(w, refuse(http.StatusBadRequest, "", "want the id of a notice as after, and nothing else"))
		return
	}
	if !s.use.streams.enter() {
		fail(w, refuse(http.StatusConflict, "close another page of it", "%s has %d streams already", s.User, streamsOfUser))
		return
	}
	defer s.use.streams.leave()
	if !c.feed.readers.enter() {
		fail(w, refuse(http.StatusConflict, "close another page", "there are %d streams already", maxStreams))
		return
	}
	defer c.feed.readers.leave()
	next, text, ok := c.feed.begin(after)
	if !ok {
		fail(w, refuse(http.StatusBadGateway, "systemctl status sallyport", "the daemon does not answer"))
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would keep it to itself
	ctx, end := context.WithCancel(v.Context())
	defer end()
	defer context.AfterFunc(s.ctx, end)()
	c.feed.send(ctx, w, next, text)
}

// send writes notices until the reader is gone, his session is over, or the daemon is away.
func (f *feed) send(ctx context.Context, w http.ResponseWriter, next uint64, text []byte) {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{}) // it was for the request, and would end the stream
	var b bytes.Buffer
	b.Write(text)
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	if b.Len() == 0 {
		b.WriteString(":\n\n")
	}
	for {
		_ = control.SetWriteDeadline(time.Now().Add(f.sendWithin))
		if _, err := w.Write(b.Bytes()); err != nil || control.Flush() != nil {
			return
		}
		b.Reset()
		for b.Len() == 0 {
			more, now, wake, there := f.after(next)
			if b.Write(more); b.Len() > 0 {
				next = now
				break
			}
			if !there {
				return
			}
			next = now
			select {
			case <-wake:
			case <-beat.C:
				b.WriteString(":\n\n")
			case <-ctx.Done():
				return
			}
		}
	}
}
