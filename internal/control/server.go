package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"sallyport/internal/strictjson"
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
	under    net.Listener              // of the API, without limits and TLS
	knows    func(*http.Request) asker // who asks, and what he may do
	prove    func(*http.Request)       // notes that a right was shown
	events   http.Handler              // beside the verbs; nil: there is none
	tcp      bool                      // it is the API: what needs Admin is not there
	rights   func(Caller) Rights
	open     atomic.Bool  // the socket was open to all users, if only for a moment
	streams  atomic.Int64 // at present
	grace    time.Duration
	greeting time.Duration // for the header of a request, and a handshake before it
	reading  time.Duration // for a whole request
	beat     time.Duration // between two signs of life of a stream
	remember func(context.Context, net.Conn) context.Context

	working sync.RWMutex // read-locked by each request under way
}

// Listen takes the socket into possession, so that one daemon runs at a time:
// it makes the socket (mode 0660), and the folder if there is none (0750). What
// a dead daemon left behind is replaced; a living one, or a file that is no
// socket, is an error. It does not serve before Run.
//
// Rights says what a user has been given; who may open the socket by its mode, and
// has been given nothing, is an administrator.
func Listen(path string, handler Handler, rights func(Caller) Rights, log *slog.Logger) (*Server, error) {
	listener, err := possess(path)
	if err != nil {
		return nil, fmt.Errorf("make the control socket: %w", err)
	}
	s := newServer(listener, handler, log)
	s.rights = rights
	s.listener = &lobby{Listener: listener, knows: s.callersRights, users: make(map[uint32]int)}
	return s, nil
}

// OpenTo has every user of the host connect, or those only whom the mode of the file
// lets in. What they may do is for the rights to say.
func (s *Server) OpenTo(all bool) error {
	path, mode := s.listener.Addr().String(), socketMode
	if all {
		s.open.Store(true) // first: from now on the kernel has not looked at who connects
		mode = openMode
		if err := traversable(filepath.Dir(path)); err != nil {
			return fmt.Errorf("let users reach %s: %w", path, err)
		}
	}
	if err := os.Chmod(path, mode); err != nil {
		return fmt.Errorf("set who may use the control socket: %w", err)
	}
	return nil
}

// traversable lets all users into a folder, though not look around in it.
func traversable(dir string) error {
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm()&0o011 == 0o011 {
		return err
	}
	return os.Chmod(dir, info.Mode().Perm()|0o011)
}

func newServer(l net.Listener, h Handler, log *slog.Logger) *Server {
	s := &Server{handler: h, log: log, listener: l, grace: stopGrace, greeting: patience, reading: patience, beat: heartbeat, remember: rememberCaller}
	s.knows, s.prove = s.onSocket, func(*http.Request) {}
	return s
}

// Run serves until the context ends. Requests under way then have two seconds
// to finish before their contexts end too; Run returns after the last of them.
// It can be called once.
func (s *Server) Run(ctx context.Context) error {
	work, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	server := http.Server{
		Handler:           s.routes(work, ctx),
		ConnContext:       s.remember,
		ReadHeaderTimeout: s.greeting,
		ReadTimeout:       s.reading,
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

// record logs what an operator had done, or tried to, and who that was.
// Requests that made no sense did nothing and are not worth a line.
func (s *Server) record(ctx context.Context, r *http.Request, q any, err error) {
	if e := (*Error)(nil); errors.As(err, &e) && e.Wrong {
		return
	}
	if secret, ok := q.(interface{ Logged() any }); ok {
		q = secret.Logged()
	}
	detail, _ := json.Marshal(q) // it was made out of JSON
	attributes := []slog.Attr{slog.String("request", strings.TrimPrefix(r.URL.Path, version)), slog.String("detail", string(detail))}
	if c, ok := callerOf(r.Context()); ok {
		attributes = append(attributes, slog.Uint64("uid", uint64(c.UID)), slog.Int("pid", int(c.PID)))
		if r.Header.Get(OnBehalf) != "" {
			attributes = append(attributes, slog.String("user", Asker(ctx)))
		}
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
	text, err := io.ReadAll(body)
	if err != nil || len(bytes.TrimSpace(text)) == 0 {
		return err
	}
	return strictjson.Unmarshal(text, v)
}

// malformed is a request that could not be read.
type malformed struct{ error }

func (m *malformed) Unwrap() error { return m.error }

// failure is how an error travels.
type failure struct {
	Error  string `json:"error"`
	Hint   string `json:"hint,omitempty"`
	Reason string `json:"reason,omitempty"`
}

func fail(w http.ResponseWriter, err error) {
	f := failure{Error: err.Error()}
	if e := (*Error)(nil); errors.As(err, &e) {
		f.Hint, f.Reason = e.Remedy, e.Reason
	}
	encode(w, statusOf(err), f)
}

func statusOf(err error) int {
	var e *Error
	switch {
	case errors.As(err, new(*forbidden)), errors.As(err, &e) && e.Denied:
		return http.StatusForbidden
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
