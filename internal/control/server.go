package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

const (
	maxRequest = 64 << 10 // bytes of a request's body
	patience   = 10 * time.Second
)

// Server answers on the control socket.
type Server struct {
	listener net.Listener
	http     http.Server
}

// Listen takes the socket into possession, so that one daemon runs at a time.
// What a dead daemon left behind is replaced; a living one, or a file that is
// no socket, is an error. It does not serve before Run.
func Listen(path string, handler Handler, log *slog.Logger) (*Server, error) {
	listener, err := listen(path)
	if err != nil {
		return nil, fmt.Errorf("make the control socket: %w", err)
	}
	s := &Server{listener: listener}
	s.http = http.Server{
		Handler:           routes(handler),
		ReadHeaderTimeout: patience,
		ReadTimeout:       patience,
		IdleTimeout:       patience,
		MaxHeaderBytes:    8 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	return s, nil
}

func listen(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, err
	}
	if err := removeStale(path); err != nil {
		return nil, err
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o660); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return listener, nil
}

// removeStale removes a socket on which nobody listens.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return &Error{Text: fmt.Sprintf("%s exists and is no socket", path), Remedy: "move it away, or set another [daemon] socket"}
	}
	if conn, err := net.DialTimeout("unix", path, patience); err == nil {
		conn.Close()
		return &Error{Text: fmt.Sprintf("another sallyport is running: it answers on %s", path), Remedy: "stop it first, or use sallyport reload"}
	}
	return os.Remove(path)
}

// Run serves until the context ends, and lets requests under way finish.
func (s *Server) Run(ctx context.Context) error {
	done := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		done <- s.http.Shutdown(ctx)
	})
	err := s.http.Serve(s.listener)
	if stop() {
		return fmt.Errorf("serve the control socket: %w", err)
	}
	return <-done
}

// Close gives the socket up. It is needed only if Run has not been called.
func (s *Server) Close() error {
	err := s.listener.Close()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func routes(h Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", answer(func(ctx context.Context, _ struct{}) (Status, error) { return h.Status(ctx) }))
	mux.HandleFunc("POST /open", answer(h.Open))
	mux.HandleFunc("POST /revoke", answer(h.Revoke))
	mux.HandleFunc("POST /reload", answer(func(ctx context.Context, _ struct{}) (struct{}, error) { return struct{}{}, h.Reload(ctx) }))
	mux.HandleFunc("POST /down", answer(func(ctx context.Context, _ struct{}) (struct{}, error) { return struct{}{}, h.Down(ctx) }))
	return mux
}

// answer decodes a request strictly, has it done, and encodes the result.
func answer[Q, A any](do func(context.Context, Q) (A, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var q Q
		if err := decode(http.MaxBytesReader(w, r.Body, maxRequest), &q); err != nil {
			fail(w, &Error{Text: "the request is no valid JSON for " + r.URL.Path + ": " + err.Error(), Wrong: true})
			return
		}
		a, err := do(r.Context(), q)
		if err != nil {
			fail(w, err)
			return
		}
		encode(w, http.StatusOK, a)
	}
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

// failure is how an error travels.
type failure struct {
	Error string `json:"error"`
	Hint  string `json:"hint,omitempty"`
}

func fail(w http.ResponseWriter, err error) {
	status, f := http.StatusInternalServerError, failure{Error: err.Error()}
	if e := (*Error)(nil); errors.As(err, &e) {
		status, f.Hint = http.StatusConflict, e.Remedy
		if e.Wrong {
			status = http.StatusBadRequest
		}
	}
	encode(w, status, f)
}

func encode(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// If the other side has hung up there is nobody left to tell.
	_ = json.NewEncoder(w).Encode(v)
}
