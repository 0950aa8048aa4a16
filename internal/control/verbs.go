package control

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"strings"

	"sallyport/internal/event"
)

// version is the first part of the paths. What is in it only ever grows.
const version = "/v1"

// verb is one thing that can be asked for.
type verb struct {
	method, path    string
	right           Rights
	says            string // what it does, for the description of the API
	request, answer reflect.Type
	media           string // of the answer
	old             bool   // it is there without the version, too
	handler         func(s *Server, work, stop context.Context) http.HandlerFunc
}

//go:generate go test -run Description -update

// verbs are all of them: what is not here cannot be asked for.
var verbs = []verb{
	old(get("/status", View, "what is guarded, granted and refused", func(h Handler, ctx context.Context, _ struct{}) (Status, error) { return h.Status(ctx) })),
	stream("/events", View, "what happens from now on, or after a notice, as server-sent events: each has a notice as its data; a comment every 15 seconds shows that the stream is alive"),
	get("/journal", View, "what has happened", Handler.Journal),
	get("/findings", View, "what is worth a look", Handler.Findings),
	get("/clients", View, "who may open what, with the last use and the age of secrets", Handler.Clients),
	get("/doors", View, "what can be opened, by whom and when", func(h Handler, ctx context.Context, _ struct{}) (DoorsAnswer, error) { return h.DoorList(ctx) }),
	get("/keys", View, "the server keys in force", func(h Handler, ctx context.Context, _ struct{}) (KeysAnswer, error) { return h.Keys(ctx) }),
	get("/lint", View, "what is weak in the configuration in force, on this host", func(h Handler, ctx context.Context, _ struct{}) (LintAnswer, error) { return h.Lint(ctx) }),
	get("/report", View, "the figures of the last days", Handler.Report),
	get("/why", View, "why a source, a client or a door gets in, or does not, and what to do about it", Handler.Why),
	old(get("/bans", View, "who is banned", func(h Handler, ctx context.Context, _ struct{}) ([]event.Ban, error) { return h.Bans(ctx) })),
	get("/asks", View, "who waits to be let in by an operator, and what is known of the address; never the code", func(h Handler, ctx context.Context, _ struct{}) (AsksAnswer, error) { return h.Asks(ctx) }),
	lines("/doors/{door}/sources", Lists, "who may use a door now: an address or a prefix a line, for other firewalls; only of doors that are polled", Handler.Sources),

	old(post("/open", Act, "give a grant; without the right admin, within the door's limits", Handler.Open)),
	old(post("/revoke", Revoke, "end grants", Handler.Revoke)),
	old(post("/ban", Act, "keep a source out", Handler.Ban)),
	old(post("/unban", Act, "end a ban", Handler.Unban)),
	old(post("/ack", Act, "mark a finding as seen", Handler.Acknowledge)),
	post("/approve", Act, "let in who has this code: this address, this door, this long; within the door's limits without the right admin", Handler.Approve),
	post("/refuse", Act, "end an ask", Handler.Refuse),

	post("/ask", Asking, "ask for someone to be let in by an operator; the answer holds the code, for the asker's eyes only", Handler.Ask),
	get("/asked", Asking, "what became of an ask", Handler.Asked),

	post("/note", View, "have the journal say what a program that asks for people has let someone do, such as log in", Handler.Note),

	old(post("/reload", Admin, "read the configuration again, or report what would change", Handler.Reload)),
	old(post("/confirm", Admin, "keep the configuration that is on trial", func(h Handler, ctx context.Context, _ struct{}) (struct{}, error) { return struct{}{}, h.Confirm(ctx) })),
	old(post("/invite", Admin, "let a device enrol itself", Handler.Invite)),
	old(post("/remove", Admin, "remove a client that has enrolled itself, or take an invite back", Handler.Remove)),
	old(post("/label", Admin, "write beside such a client who it is", Handler.Label)),
	old(post("/exercise", Admin, "raise a finding that is none", Handler.Exercise)),
	post("/consent", Admin, "agree to a drill from addresses that are named", Handler.Consent),
	post("/consented", Admin, "what came of such a consent; end it and lift its bans", Handler.Consented),
	old(post("/down", Admin, "open everything: remove the firewall table and end the daemon", Handler.Down)),
}

func get[Q, A any](path string, right Rights, says string, do func(Handler, context.Context, Q) (A, error)) verb {
	return verbOf(http.MethodGet, path, right, says, do)
}

func post[Q, A any](path string, right Rights, says string, do func(Handler, context.Context, Q) (A, error)) verb {
	return verbOf(http.MethodPost, path, right, says, do)
}

func verbOf[Q, A any](method, path string, right Rights, says string, do func(Handler, context.Context, Q) (A, error)) verb {
	return verb{method: method, path: path, right: right, says: says, media: "application/json",
		request: reflect.TypeFor[Q](), answer: reflect.TypeFor[A](),
		handler: func(s *Server, work, _ context.Context) http.HandlerFunc {
			return answer(s, work, right, func(ctx context.Context, q Q) (A, error) { return do(s.handler, ctx, q) }, func(w http.ResponseWriter, _ *http.Request, a A) {
				encode(w, http.StatusOK, a)
			})
		}}
}

// old is a verb of the first version of the socket, which had no version in its
// paths. The program asks there itself, so that after an upgrade it reaches a daemon
// that has not been restarted yet.
func old(v verb) verb {
	v.old = true
	return v
}

// routes serves the verbs. What is asked for is done under the context work: someone
// who asks and hangs up must not leave a reload half done. Streams end with stop.
func (s *Server) routes(work, stop context.Context) http.Handler {
	mux := &routes{}
	var places []string
	for _, v := range verbs {
		if s.tcp && v.right == Admin {
			continue
		}
		places = append(places, version+v.path)
		mux.route(v.method, version+v.path, v.handler(s, work, stop))
		if v.old {
			mux.route(v.method, v.path, v.handler(s, work, stop))
		}
	}
	mux.nothingElse("there are " + strings.Join(places[:len(places)-1], ", ") + " and " + places[len(places)-1])
	return s.beside(s.checked(mux))
}

// EventsPath is where security events are delivered. It is no verb: who delivers one has no
// right here, and its token no other use.
const EventsPath = version + "/caep"

// beside serves security events, where they are taken.
func (s *Server) beside(next http.Handler) http.Handler {
	if s.events == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == EventsPath {
			s.events.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// checked finds out who asks. What each may do is checked by the verbs; those who may
// do nothing are not told what there is.
func (s *Server) checked(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := s.knows(r)
		if a.rights == 0 {
			switch {
			case a.unread:
				encode(w, http.StatusInternalServerError, failure{Error: "the token cannot be read", Hint: "look at the daemon's log"})
				return
			case s.tcp:
				w.Header().Set("WWW-Authenticate", "Bearer")
				encode(w, http.StatusUnauthorized, failure{Error: "no valid token", Hint: `send the header "Authorization: Bearer TOKEN"`})
				return
			}
			fail(w, &forbidden{a.name, Viewer})
			return
		}
		s.prove(r)
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), askerKey{}, a)))
	})
}

// forbidden says that a right is missing.
type forbidden struct {
	name  string
	right Rights
}

func (f *forbidden) Error() string {
	who := f.name
	if who == "" {
		who = "this token"
	}
	return fmt.Sprintf("%s has not the right for that: %s", who, f.right)
}

// routes answers in JSON where there is nothing, too.
type routes struct{ http.ServeMux }

func (m *routes) route(method, path string, f http.HandlerFunc) {
	m.HandleFunc(method+" "+path, f)
	m.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", method)
		encode(w, http.StatusMethodNotAllowed, failure{Error: r.URL.Path + " is no place for " + r.Method, Hint: "use " + method})
	})
}

func (m *routes) nothingElse(hint string) {
	m.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		encode(w, http.StatusNotFound, failure{Error: fmt.Sprintf("there is no %q", r.URL.Path), Hint: hint})
	})
}

// answer decodes a request strictly, has it done, and writes the result.
func answer[Q, A any](s *Server, work context.Context, right Rights, do func(context.Context, Q) (A, error), write func(http.ResponseWriter, *http.Request, A)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.working.RLock()
		defer s.working.RUnlock()
		who, _ := r.Context().Value(askerKey{}).(asker)
		q, ok := request[Q](w, r, who, right)
		if !ok {
			return
		}
		if work.Err() != nil {
			fail(w, &Error{Text: "the daemon is stopping"})
			return
		}
		ctx := context.WithValue(work, askerKey{}, who)
		changes := r.Method == http.MethodPost // HEAD asks as GET does (RFC 9110, section 9.3.2)
		if !changes {                          // who hangs up does not want to know any more
			var end context.CancelFunc
			ctx, end = context.WithCancel(ctx)
			defer end()
			defer context.AfterFunc(r.Context(), end)()
		}
		a, err := do(ctx, q)
		if changes {
			s.record(ctx, r, q, err)
		}
		if err != nil {
			fail(w, err)
			return
		}
		write(w, r, a)
	}
}

// request reads what is asked for, of those who may ask. If it is not ok, that has
// been answered.
func request[Q any](w http.ResponseWriter, r *http.Request, who asker, right Rights) (q Q, ok bool) {
	if !who.rights.Has(right) {
		fail(w, &forbidden{who.name, right})
		return q, false
	}
	if err := asked(w, r, &q); err != nil {
		fail(w, fmt.Errorf("the request is not valid for %s: %w", r.URL.Path, &malformed{err}))
		return q, false
	}
	return q, true
}
