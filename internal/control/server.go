package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"sallyport/internal/event"
)

const (
	maxRequest = 64 << 10 // bytes of a request's body
	patience   = 10 * time.Second

	// maxAnswering is long enough for the status of a million grants, and short
	// enough that a reader who has stopped reading does not hold it for ever.
	maxAnswering = 2 * time.Minute

	// stopGrace is what requests under way have to finish when the daemon stops.
	stopGrace = 2 * time.Second
)

// Server answers on the control socket.
type Server struct {
	handler  Handler
	log      *slog.Logger
	listener net.Listener
	under    net.Listener // of the API, without limits and TLS
	routes   func(work context.Context) http.Handler
	grace    time.Duration
	greeting time.Duration // for the header of a request, and a handshake before it
	remember func(context.Context, net.Conn) context.Context

	working sync.RWMutex // read-locked by each request under way
}

// Listen takes the socket into possession, so that one daemon runs at a time:
// it makes the socket (mode 0660), and the folder if there is none (0750). What
// a dead daemon left behind is replaced; a living one, or a file that is no
// socket, is an error. It does not serve before Run.
func Listen(path string, handler Handler, log *slog.Logger) (*Server, error) {
	listener, err := possess(path)
	if err != nil {
		return nil, fmt.Errorf("make the control socket: %w", err)
	}
	s := newServer(listener, handler, log)
	s.routes = s.everything
	return s, nil
}

func newServer(l net.Listener, h Handler, log *slog.Logger) *Server {
	return &Server{handler: h, log: log, listener: l, grace: stopGrace, greeting: patience, remember: rememberCaller}
}

// Run serves until the context ends. Requests under way then have two seconds
// to finish before their contexts end too; Run returns after the last of them.
// It can be called once.
func (s *Server) Run(ctx context.Context) error {
	work, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	server := http.Server{
		Handler:           s.routes(work),
		ConnContext:       s.remember,
		ReadHeaderTimeout: s.greeting,
		ReadTimeout:       patience,
		WriteTimeout:      maxAnswering,
		IdleTimeout:       patience,
		MaxHeaderBytes:    8 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(s.listener) }()
	select {
	case err := <-failed:
		return errors.Join(fmt.Errorf("serve %s: %w", s.listener.Addr(), err), s.drain(&server, end))
	case <-ctx.Done():
		err := s.drain(&server, end)
		<-failed
		return err
	}
}

// drain lets requests finish, for a while.
func (s *Server) drain(server *http.Server, end func()) error {
	grace, cancel := context.WithTimeout(context.Background(), s.grace)
	defer cancel()
	err := server.Shutdown(grace)
	end()
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close()
	}
	s.working.Lock() // when the last request has returned
	defer s.working.Unlock()
	return err
}

// Close gives the socket up. Call it in the end, whether or not Run was called.
func (s *Server) Close() error {
	err := s.listener.Close()
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	return err
}

// everything serves what the package comment lists. What is asked for is done
// under the context work: someone who asks and hangs up must not leave a
// reload half done.
func (s *Server) everything(work context.Context) http.Handler {
	h := s.handler
	var mux routes
	mux.route("GET", "/status", answer(s, work, func(ctx context.Context, _ struct{}) (Status, error) { return h.Status(ctx) }))
	mux.route("POST", "/open", answer(s, work, h.Open))
	mux.route("POST", "/revoke", answer(s, work, h.Revoke))
	mux.route("POST", "/reload", answer(s, work, h.Reload))
	mux.route("POST", "/confirm", answer(s, work, func(ctx context.Context, _ struct{}) (struct{}, error) { return struct{}{}, h.Confirm(ctx) }))
	mux.route("POST", "/down", answer(s, work, h.Down))
	mux.route("GET", "/bans", answer(s, work, func(ctx context.Context, _ struct{}) ([]event.Ban, error) { return h.Bans(ctx) }))
	mux.route("POST", "/ban", answer(s, work, h.Ban))
	mux.route("POST", "/unban", answer(s, work, h.Unban))
	mux.route("POST", "/ack", answer(s, work, h.Acknowledge))
	mux.route("POST", "/exercise", answer(s, work, h.Exercise))
	mux.route("POST", "/invite", answer(s, work, h.Invite))
	mux.route("POST", "/remove", answer(s, work, h.Remove))
	mux.route("POST", "/label", answer(s, work, h.Label))
	mux.nothingElse("there are /status, /open, /revoke, /reload, /confirm, /down, /bans, /ban, /unban, /ack, /exercise, /invite, /remove and /label")
	return &mux
}

// routes answers in JSON where there is nothing, too.
type routes struct{ http.ServeMux }

func (m *routes) route(method, path string, f http.HandlerFunc) {
	m.HandleFunc(method+" "+path, f)
	m.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", method)
		encode(w, http.StatusMethodNotAllowed, failure{Error: path + " is no place for " + r.Method, Hint: "use " + method})
	})
}

func (m *routes) nothingElse(hint string) {
	m.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		encode(w, http.StatusNotFound, failure{Error: fmt.Sprintf("there is no %q", r.URL.Path), Hint: hint})
	})
}

// answer decodes a request strictly, has it done, and encodes the result.
func answer[Q, A any](s *Server, work context.Context, do func(context.Context, Q) (A, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.working.RLock()
		defer s.working.RUnlock()
		if work.Err() != nil {
			fail(w, &Error{Text: "the daemon is stopping"})
			return
		}
		var q Q
		if err := decode(http.MaxBytesReader(w, r.Body, maxRequest), &q); err != nil {
			fail(w, fmt.Errorf("the request is no valid JSON for %s: %w", r.URL.Path, &malformed{err}))
			return
		}
		a, err := do(ofCaller(work, r.Context()), q)
		if r.Method != http.MethodGet {
			s.record(r, q, err)
		}
		if err != nil {
			fail(w, err)
			return
		}
		encode(w, http.StatusOK, a)
	}
}

// record logs what an operator had done, or tried to, and who that was.
// Requests that made no sense did nothing and are not worth a line.
func (s *Server) record(r *http.Request, q any, err error) {
	if e := (*Error)(nil); errors.As(err, &e) && e.Wrong {
		return
	}
	detail, _ := json.Marshal(q) // it was made out of JSON
	attributes := []slog.Attr{slog.String("request", r.URL.Path), slog.String("detail", string(detail))}
	if c, ok := callerOf(r.Context()); ok {
		attributes = append(attributes, slog.Uint64("uid", uint64(c.uid)), slog.Int("pid", int(c.pid)))
	} else {
		attributes = append(attributes, slog.String("from", r.RemoteAddr))
	}
	if err != nil {
		attributes = append(attributes, slog.Any("error", err))
	}
	s.log.LogAttrs(r.Context(), slog.LevelInfo, "operator", attributes...)
}

// decode reads one JSON value and nothing after it. No body at all is an
// empty request.
func decode(body io.Reader, v any) error {
	d := json.NewDecoder(body)
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		if errors.Is(err, io.EOF) {
			return nil
		}
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is something after the JSON value")
	}
	return nil
}

// malformed is a request that could not be read.
type malformed struct{ error }

func (m *malformed) Unwrap() error { return m.error }

// failure is how an error travels.
type failure struct {
	Error string `json:"error"`
	Hint  string `json:"hint,omitempty"`
}

func fail(w http.ResponseWriter, err error) {
	f := failure{Error: err.Error()}
	if e := (*Error)(nil); errors.As(err, &e) {
		f.Hint = e.Remedy
	}
	encode(w, statusOf(err), f)
}

func statusOf(err error) int {
	var e *Error
	switch {
	case errors.As(err, new(*http.MaxBytesError)):
		return http.StatusRequestEntityTooLarge
	case errors.As(err, new(*malformed)), errors.As(err, &e) && e.Wrong:
		return http.StatusBadRequest
	case e != nil:
		return http.StatusConflict
	}
	return http.StatusInternalServerError
}

func encode(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// If the other side has hung up there is nobody left to tell.
	_ = json.NewEncoder(w).Encode(v)
}
