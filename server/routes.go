package server

import (
	"net/http"
	"strings"
	"time"

	"github.com/latent-go/latent/server/wire"
)

// route is a line of the table: who may call what, and what answers.
type route struct {
	pattern string // as net/http.ServeMux takes it
	access  wire.Access
	handle  func(*call) (any, error)
}

// table is the REST side: what Qdrant 1.18 and 1.19 have of what a single server without clusters can do. Old calls that
// tutorials still use (search, recommend, discover) stand at the end, as other words for a query.
func table() []route {
	const (
		open  = wire.Nothing
		read  = wire.Read
		write = wire.Write
	)
	return []route{
		{"GET /{$}", open, root},
		{"GET /telemetry", read, telemetry},

		{"GET /collections", read, listCollections},
		{"GET /collections/{collection}", read, collectionInfo},
		{"GET /collections/{collection}/exists", read, collectionExists},
		{"PUT /collections/{collection}", write, createCollection},
		{"PATCH /collections/{collection}", write, updateCollection},
		{"DELETE /collections/{collection}", write, deleteCollection},
		{"PUT /collections/{collection}/vectors/{vector}", write, addVector},
		{"DELETE /collections/{collection}/vectors/{vector}", write, dropVector},
		{"PUT /collections/{collection}/index", write, createIndex},
		{"DELETE /collections/{collection}/index/{field}", write, dropIndex},
		{"GET /collections/{collection}/cluster", read, collectionCluster},
		{"GET /cluster", read, cluster},

		{"POST /collections/aliases", write, changeAliases},
		{"GET /aliases", read, listAliases},
		{"GET /collections/{collection}/aliases", read, collectionAliases},

		{"PUT /collections/{collection}/points", write, update(func(b *upsertBody) (op, error) { return b.op() })},
		{"POST /collections/{collection}/points/delete", write, update(func(b *deleteBody) (op, error) { return b.op() })},
		{"PUT /collections/{collection}/points/vectors", write, update(func(b *vectorsBody) (op, error) { return b.op() })},
		{"POST /collections/{collection}/points/vectors/delete", write, update(func(b *deleteVectorsBody) (op, error) { return b.op() })},
		{"POST /collections/{collection}/points/payload", write, update(func(b *payloadBody) (op, error) { return b.set() })},
		{"PUT /collections/{collection}/points/payload", write, update(func(b *payloadBody) (op, error) { return b.overwrite() })},
		{"POST /collections/{collection}/points/payload/delete", write, update(func(b *deletePayloadBody) (op, error) { return b.op() })},
		{"POST /collections/{collection}/points/payload/clear", write, update(func(b *clearBody) (op, error) { return b.op() })},
		{"POST /collections/{collection}/points/batch", write, updateBatch},

		{"POST /collections/{collection}/points", read, getPoints},
		{"GET /collections/{collection}/points/{id}", read, getPoint},
		{"POST /collections/{collection}/points/scroll", read, scroll},
		{"POST /collections/{collection}/points/count", read, countPoints},
		{"POST /collections/{collection}/facet", read, facet},
		{"POST /collections/{collection}/points/query", read, queryPoints},
		{"POST /collections/{collection}/points/query/batch", read, queryBatch},
		{"POST /collections/{collection}/points/query/groups", read, queryGroups},
		{"POST /collections/{collection}/points/search/matrix/pairs", read, matrixPairs},
		{"POST /collections/{collection}/points/search/matrix/offsets", read, matrixOffsets},

		{"GET /collections/{collection}/snapshots", read, listSnapshots},
		{"POST /collections/{collection}/snapshots", write, createSnapshot},
		{"GET /collections/{collection}/snapshots/{snapshot}", read, downloadSnapshot},
		{"DELETE /collections/{collection}/snapshots/{snapshot}", write, deleteSnapshot},
		{"POST /collections/{collection}/snapshots/upload", write, uploadSnapshot},
		{"PUT /collections/{collection}/snapshots/recover", write, recoverSnapshot},
		{"GET /snapshots", read, listFullSnapshots},
		{"POST /snapshots", write, createFullSnapshot},
		{"GET /snapshots/{snapshot}", read, downloadFullSnapshot},
		{"DELETE /snapshots/{snapshot}", write, deleteFullSnapshot},

		{"POST /collections/{collection}/points/search", read, search(searchAsk)},
		{"POST /collections/{collection}/points/search/batch", read, searchBatch(searchAsk)},
		{"POST /collections/{collection}/points/search/groups", read, searchGroups(searchAsk)},
		{"POST /collections/{collection}/points/recommend", read, search(recommendAsk)},
		{"POST /collections/{collection}/points/recommend/batch", read, searchBatch(recommendAsk)},
		{"POST /collections/{collection}/points/recommend/groups", read, searchGroups(recommendAsk)},
		{"POST /collections/{collection}/points/discover", read, search(discoverAsk)},
		{"POST /collections/{collection}/points/discover/batch", read, searchBatch(discoverAsk)},
	}
}

// text are the routes whose answer is no envelope.
func (s *Server) text() map[string]http.HandlerFunc {
	say := func(w http.ResponseWriter, text string) {
		w.Header().Set("Content-Type", "text/plain")
		w.Write([]byte(text + "\n"))
	}
	return map[string]http.HandlerFunc{
		"GET /healthz": func(w http.ResponseWriter, _ *http.Request) { say(w, "healthz check passed") },
		"GET /livez":   func(w http.ResponseWriter, _ *http.Request) { say(w, "livez check passed") },
		"GET /readyz":  func(w http.ResponseWriter, _ *http.Request) { say(w, "all shards are ready") },
		"GET /metrics": func(w http.ResponseWriter, r *http.Request) {
			if s.allow(w, r, wire.Read) {
				s.metrics.handler().ServeHTTP(w, r)
			}
		},
	}
}

func (s *Server) routes() *http.ServeMux {
	mux := noting{http.NewServeMux()}
	for pattern, h := range s.text() {
		mux.HandleFunc(pattern, h)
	}
	for _, rt := range table() {
		mux.HandleFunc(rt.pattern, func(w http.ResponseWriter, r *http.Request) {
			if !s.allow(w, r, rt.access) {
				return
			}
			c := &call{Request: r, s: s, w: w, start: time.Now()}
			result, err := rt.handle(c)
			err = wire.Since(s.store, c.PathValue("collection"), err)
			if result == (written{}) && err == nil {
				return
			}
			c.answer(result, err)
		})
	}
	s.latent(mux)
	s.pages.Routes(mux.HandleFunc)
	mux.ServeMux.HandleFunc("/", s.nowhere) // of which no note is taken
	return mux.ServeMux
}

// written is the result of a handler that has written its answer itself.
type written struct{}

// nowhere answers what no route does: 405 if another method would have been right, else 404.
func (s *Server) nowhere(w http.ResponseWriter, r *http.Request) {
	var allowed []string
	for _, m := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		other := r.Clone(r.Context())
		other.Method = m
		if _, pattern := s.mux.Handler(other); pattern != "/" {
			allowed = append(allowed, m)
		}
	}
	if allowed == nil {
		s.reject(w, r, wire.Errorf(wire.NotFound, "no such route: %s %.200s", r.Method, r.URL.Path))
		return
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	s.reject(w, r, wire.Errorf(wire.BadMethod, "%s %.200s: this route takes %s", r.Method, r.URL.Path, strings.Join(allowed, ", ")))
}

// trim takes a slash off the end of the path, as Qdrant does.
func trim(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p := r.URL.Path; len(p) > 1 && strings.HasSuffix(p, "/") && !strings.HasPrefix(p, "/latent/") {
			other := r.Clone(r.Context())
			other.URL.Path = strings.TrimRight(p, "/")
			other.URL.RawPath = strings.TrimRight(r.URL.RawPath, "/")
			if other.URL.Path == "" {
				other.URL.Path = "/"
			}
			r = other
		}
		next.ServeHTTP(w, r)
	})
}
