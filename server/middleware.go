package server

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/latent-go/latent/server/wire"
)

// recorder remembers what was answered, for logs and metrics.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(b)
	r.bytes += int64(n)
	return n, err
}

func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

type requestID struct{}

// observe gives each request an ID, tells the log and the metrics how it went, and turns a panic into a 500.
func (s *Server) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.active.Add(1)
		defer s.active.Done()
		start := time.Now()
		id := r.Header.Get("X-Request-Id")
		if id == "" || len(id) > 64 || strings.ContainsFunc(id, func(c rune) bool { return c <= ' ' || c > '~' }) {
			id = rand.Text()[:16]
		}
		w.Header().Set("X-Request-Id", id)
		rec := &recorder{ResponseWriter: w}
		seen := &endpoint{}
		ctx := context.WithValue(context.WithValue(r.Context(), requestID{}, id), endpoint{}, seen)
		defer func() {
			if p := recover(); p == http.ErrAbortHandler {
				panic(p)
			} else if p != nil {
				s.log.ErrorContext(ctx, "panic", "id", id, "method", r.Method, "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
				s.metrics.panics.Inc()
				if rec.status == 0 {
					writeJSON(rec, http.StatusInternalServerError, envelope{Status: failure{"Service internal error: the request " + id + " met a bug; the log says more"}})
				}
			}
			took := time.Since(start)
			s.metrics.rest(r.Method, seen.pattern, rec.status, took)
			level := slog.LevelDebug
			switch {
			case rec.status >= 500:
				level = slog.LevelError
			case took > s.o.Slow:
				level = slog.LevelWarn
			}
			s.log.Log(ctx, level, "request", "id", id, "method", r.Method, "path", r.URL.Path, "status", rec.status,
				"ms", float64(took.Microseconds())/1000, "bytes", rec.bytes, "remote", r.RemoteAddr, "agent", r.UserAgent())
		}()
		next.ServeHTTP(rec, r.WithContext(ctx))
	})
}

// endpoint is the pattern of the route that a request took, for the metrics: paths would be without number.
type endpoint struct{ pattern string }

// noting is a mux that notes which route was taken.
type noting struct{ *http.ServeMux }

func (m noting) HandleFunc(pattern string, h func(http.ResponseWriter, *http.Request)) {
	_, path, _ := strings.Cut(pattern, " ") // without its method
	path = strings.TrimSuffix(path, "{$}")
	m.ServeMux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		if e, ok := r.Context().Value(endpoint{}).(*endpoint); ok {
			e.pattern = path
		}
		h(w, r)
	})
}

// deadlines bound how long a client may take to send its body and to read its answer.
func (s *Server) deadlines(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := http.NewResponseController(w)
		c.SetReadDeadline(time.Now().Add(s.o.BodyTimeout)) // not every ResponseWriter can; net/http's can
		c.SetWriteDeadline(time.Now().Add(s.o.BodyTimeout + s.o.Timeout))
		next.ServeHTTP(w, r)
	})
}

// origins lets pages of the allowed origins in, and keeps those of others out: a server on loopback without a key must
// not answer to whatever page its user happens to look at.
func (s *Server) origins(protect *http.CrossOriginProtection, next http.Handler) http.Handler {
	protect.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.reject(w, r, wire.Errorf(wire.Forbidden, "the page %s may not write here: allow its origin with --cors", r.Header.Get("Origin")))
	}))
	guarded := protect.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		origin := r.Header.Get("Origin")
		any := slices.Contains(s.o.CORS, "*")
		if len(s.o.CORS) > 0 {
			w.Header().Add("Vary", "Origin")
		}
		if origin != "" && (any || slices.Contains(s.o.CORS, origin)) {
			h := w.Header()
			h.Set("Access-Control-Allow-Origin", origin)
			h.Set("Access-Control-Expose-Headers", "X-Request-Id, Retry-After")
			if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
				h.Set("Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE, OPTIONS")
				h.Set("Access-Control-Allow-Headers", "Content-Type, Authorization, api-key, X-Request-Id")
				h.Set("Access-Control-Max-Age", "600")
				w.WriteHeader(http.StatusNoContent)
				return
			}
		}
		if any {
			next.ServeHTTP(w, r)
			return
		}
		guarded.ServeHTTP(w, r)
	})
}

// hosts refuses names that are not this machine's, when nothing else keeps strangers out: a page can make its own name
// point to 127.0.0.1 and would then be of the same origin.
func (s *Server) hosts(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.o.Loopback && !s.o.Keys.Any() && !s.localName(r.Host) {
			s.reject(w, r, wire.Errorf(wire.Forbidden, "%.100q is not a name of this server: ask 127.0.0.1 or localhost, set an API key, or allow the name with --allow-host", r.Host))
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Server) localName(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if _, err := netip.ParseAddr(host); err == nil || host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	return slices.Contains(s.o.Hosts, host)
}

// allow checks the key of a request; like Qdrant it answers in plain text.
func (s *Server) allow(w http.ResponseWriter, r *http.Request, want wire.Access) bool {
	err := s.checkKey(r.Header.Get, want)
	if err == nil {
		return true
	}
	told := wire.Of(err)
	if told.Kind == wire.NoKey {
		w.Header().Set("WWW-Authenticate", "Bearer")
		http.Error(w, told.Error(), told.HTTP())
		return false
	}
	s.reject(w, r, err)
	return false
}

// checkKey checks the key among a request's headers, and counts one without a valid key.
func (s *Server) checkKey(header func(name string) string, want wire.Access) error {
	key, given := wire.KeyOf(header)
	err := s.o.Keys.Check(key, given, want)
	if err != nil && wire.Of(err).Kind == wire.NoKey {
		s.metrics.refused.Inc()
	}
	return err
}

// reject answers before any handler has the request.
func (s *Server) reject(w http.ResponseWriter, r *http.Request, err error) {
	c := &call{Request: r, s: s, w: w, start: time.Now()}
	c.answer(nil, err)
}
