package control

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"time"
)

const (
	heartbeat  = 15 * time.Second
	sendWithin = 10 * time.Second // a reader who takes longer for one batch is cut off

	// maxStreams is how many there are at a time on one listener, of those who are no
	// administrators: these always have room. A stream costs a connection and a
	// goroutine; what it has not sent yet is kept once for all.
	maxStreams = 32
)

// stream is the verb that goes on.
func stream(path string, right Rights, says string) verb {
	return verb{method: http.MethodGet, path: path, right: right, says: says, media: "text/event-stream",
		request: reflect.TypeFor[NoticesRequest](), answer: reflect.TypeFor[Notice](),
		handler: func(s *Server, _, stop context.Context) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) { s.stream(w, r, right, stop) }
		}}
}

func (s *Server) stream(w http.ResponseWriter, r *http.Request, right Rights, stop context.Context) {
	s.working.RLock()
	defer s.working.RUnlock()
	who, _ := r.Context().Value(askerKey{}).(asker)
	q, ok := request[NoticesRequest](w, r, who, right)
	if !ok {
		return
	}
	if !who.rights.Has(Admin) {
		defer s.streams.Add(-1)
		if s.streams.Add(1) > maxStreams {
			fail(w, &Error{Text: fmt.Sprintf("there are %d streams already", maxStreams), Remedy: "end one of them"})
			return
		}
	}
	if last := r.Header.Get("Last-Event-ID"); last != "" { // how a browser resumes
		q.After = last
	}
	ctx, end := context.WithCancel(r.Context())
	defer end()
	defer context.AfterFunc(stop, end)()
	at, over := context.WithCancel(ctx)
	over()                                 // what there is already: who resumes hears at once that the stream is there
	first, err := s.handler.Notices(at, q) // fails before anything is sent, or not at all
	if err != nil {
		fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	s.send(ctx, w, r, q, first)
}

// send writes notices until the reader is gone, has lost its right, or the server stops.
func (s *Server) send(ctx context.Context, w http.ResponseWriter, r *http.Request, q NoticesRequest, list []Notice) {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{}) // it was for the request, and would end the stream
	for ctx.Err() == nil && s.knows(r).rights.Has(View) {
		var b bytes.Buffer
		for _, n := range list {
			data, err := json.Marshal(n)
			if err != nil {
				return
			}
			fmt.Fprintf(&b, "id: %s\ndata: %s\n\n", n.ID, data)
			q.After = n.ID
		}
		if len(list) == 0 {
			b.WriteString(":\n\n")
		}
		_ = control.SetWriteDeadline(time.Now().Add(sendWithin)) // without one, the server's is in force
		if _, err := w.Write(b.Bytes()); err != nil {
			return
		}
		if control.Flush() != nil {
			return
		}
		wait, end := context.WithTimeout(ctx, s.beat)
		var err error
		list, err = s.handler.Notices(wait, q)
		end()
		if err != nil {
			return
		}
	}
}

// Follow hands every notice after the one with this id to each, until the context
// ends, the daemon does, or each fails. Without an id it begins now.
func (c *Conn) Follow(ctx context.Context, after string, each func(Notice) error) error {
	return c.FollowFrom(ctx, after, func() {}, each)
}

// FollowFrom is Follow, and calls began when the daemon has answered: who resumes may hear
// nothing for long.
func (c *Conn) FollowFrom(ctx context.Context, after string, began func(), each func(Notice) error) error {
	ctx, end := context.WithCancel(ctx)
	defer end()
	response, err := c.send(ctx, http.MethodGet, version+"/events"+inQuery(NoticesRequest{After: after}), nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return c.read(response, nil)
	}
	began()
	silent := time.AfterFunc(3*heartbeat, end) // it is not alive any more
	defer silent.Stop()
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		silent.Reset(3 * heartbeat)
		data, ok := bytes.CutPrefix(lines.Bytes(), []byte("data: "))
		if !ok {
			continue
		}
		var n Notice
		if err := json.Unmarshal(data, &n); err != nil {
			return fmt.Errorf("understand the daemon's notice: %w", err)
		}
		if err := each(n); err != nil {
			return err
		}
	}
	return fmt.Errorf("follow the daemon: %w", errors.Join(lines.Err(), ErrStreamEnded))
}

// ErrStreamEnded says that the daemon sends no more notices on this stream.
var ErrStreamEnded = errors.New("the stream has ended")
