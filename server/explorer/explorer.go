// Package explorer serves pages that show what a store holds: its collections, what their vectors are like, how well
// they are searched, their points, searches by hand, and a map.
//
//	e := explorer.New(store, explorer.Options{})
//	e.Routes(mux.HandleFunc) // everything under /ui
//	defer e.Close()
//
// The pages are written here and need no other server; scripts make them nicer (script.js) and nothing depends on them.
// Whatever comes from a store is hostile text: it goes through html/template, and the Content-Security-Policy allows no
// script but our own file. What takes long is measured in the background (jobs.go).
package explorer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/latent-go/latent/collection"
	"github.com/latent-go/latent/report"
	"github.com/latent-go/latent/server/wire"
	"github.com/latent-go/latent/vec"
)

// Embedder turns texts into vectors, one row a text. It is called from several goroutines.
type Embedder interface {
	Embed(ctx context.Context, texts []string) (vec.Matrix, error)
}

// Options say what pages do. The zero Options serve everyone.
type Options struct {
	Keys     wire.Keys
	Embedder Embedder      // nil leaves out the search by meaning
	Version  string        // of the program, as pages tell it
	Timeout  time.Duration // for a page; a minute if 0
	Heavy    chan struct{} // holds one analysis, of this package's or another's; nil for one of its own
	Log      *slog.Logger  // nil logs nothing
}

// Explorer serves the pages of one store. It is safe for concurrent use; the store stays the caller's, to be closed
// after Close.
type Explorer struct {
	store    *collection.Store
	o        Options
	sessions sessions
	guesses  *guesses
	jobs     jobs
}

// New makes an Explorer of store.
func New(store *collection.Store, o Options) *Explorer {
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	if o.Heavy == nil {
		o.Heavy = make(chan struct{}, 1)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Explorer{store: store, o: o, sessions: newSessions(), guesses: new(guesses), jobs: newJobs(o.Heavy, o.Log)}
}

// Close stops what is measured in the background, and returns when it has.
func (e *Explorer) Close() { e.jobs.close() }

// Routes tells handle, such as the HandleFunc of a mux, what answers which pattern.
func (e *Explorer) Routes(handle func(pattern string, h func(http.ResponseWriter, *http.Request))) {
	const of = "/ui/collections/{collection}"
	for _, r := range []struct {
		pattern string
		access  wire.Access
		show    func(*visit) error
	}{
		{"GET /ui", wire.Read, home},
		{"GET /ui/login", wire.Nothing, loginForm},
		{"POST /ui/login", wire.Nothing, login},
		{"POST /ui/logout", wire.Nothing, logout},
		{"GET " + of, wire.Read, showCollection},
		{"POST " + of + "/measure", wire.Read, again(measuring)},
		{"POST " + of + "/recall", wire.Read, again(recalling)},
		{"POST " + of + "/tune", wire.Write, again(tuning)},
		{"GET " + of + "/search", wire.Read, showSearch},
		{"GET " + of + "/map", wire.Read, showMap},
		{"GET " + of + "/points/{id}", wire.Read, showPoint},
		{"GET /ui/{rest...}", wire.Read, func(v *visit) error {
			return wire.Errorf(wire.NotFound, "there is no page %.200s", v.URL.Path)
		}},
	} {
		handle(r.pattern, e.page(r.access, r.show))
	}
	handle("GET /ui/static/{version}/{file}", static)
	dashboard := func(w http.ResponseWriter, r *http.Request) { // where Qdrant has its pages
		http.Redirect(w, r, "/ui", http.StatusTemporaryRedirect)
	}
	handle("GET /dashboard", dashboard)
	handle("GET /dashboard/{rest...}", dashboard)
}

// visit is one request for a page.
type visit struct {
	*http.Request
	*Explorer
	w      http.ResponseWriter
	access wire.Access // what the visitor may do
}

// page lets those in who may see a page, and shows what show's error says.
func (e *Explorer) page(want wire.Access, show func(*visit) error) func(http.ResponseWriter, *http.Request) {
	foreign := http.NewCrossOriginProtection()
	return func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		ctx, cancel := context.WithTimeout(r.Context(), e.o.Timeout)
		defer cancel()
		v := &visit{Request: r.WithContext(ctx), Explorer: e, w: w, access: e.access(r)}
		v.Body = http.MaxBytesReader(w, r.Body, 64<<10)
		err := foreign.Check(r)
		switch {
		case err != nil:
			err = wire.Errorf(wire.Forbidden, "a page of another site may not write here")
		case want != wire.Nothing && v.access == wire.Nothing && r.Method == http.MethodGet:
			v.see("/ui/login?" + url.Values{"next": {r.URL.RequestURI()}}.Encode())
			return
		case want != wire.Nothing && v.access == wire.Nothing:
			err = wire.Errorf(wire.NoKey, "log in first: the session has ended")
		case v.access < want:
			err = wire.Errorf(wire.Forbidden, "this needs a key that may write; yours may read")
		default:
			err = show(v)
		}
		if err != nil {
			status, why := v.told("page failed", err)
			v.show(status, "error", "That did not work", nil, why)
		}
	}
}

// told is the status and the words of an error; one that is no visitor's goes to the log, too.
func (v *visit) told(what string, err error) (status int, why string) {
	told := wire.Of(err)
	if told.Kind == wire.Internal {
		v.o.Log.ErrorContext(v.Context(), what, "error", err, "path", v.URL.Path)
	}
	return told.HTTP(), told.Error()
}

// policy allows our own files. Styles in attributes are of charts: colours that package report has written.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// see sends the visitor to another of our pages.
func (v *visit) see(page string) { http.Redirect(v.w, v.Request, page, http.StatusSeeOther) }

// show writes a page: the template of a name on what it is about.
func (v *visit) show(status int, name, title string, col *collection.Collection, about any) error {
	var b bytes.Buffer
	err := templates[name].Execute(&b, struct {
		Title, Page, Collection, Version string
		Session, Write, Embeds           bool
		About                            any
	}{title, name, nameOf(col), v.o.Version, v.o.Keys.Any() && v.access > wire.Nothing, v.access >= wire.Write, v.o.Embedder != nil, about})
	if err != nil {
		return fmt.Errorf("explorer: %s: %w", name, err)
	}
	v.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	v.w.WriteHeader(status)
	_, err = b.WriteTo(v.w)
	if err != nil {
		v.o.Log.DebugContext(v.Context(), "page not written", "error", err, "path", v.URL.Path)
	}
	return nil
}

func nameOf(col *collection.Collection) string {
	if col == nil {
		return ""
	}
	return col.Name()
}

//go:embed pages
var pages embed.FS

// templates are the pages by name, each within the frame of all.
var templates = func() map[string]*template.Template {
	frame := template.Must(template.New("frame.html").Funcs(template.FuncMap{
		"at": at, "static": func(file string) string { return "/ui/static/" + assets[file].version + "/" + file },
		"count": count, "bytes": size, "num": number[float32], "vector": vectorName, "title": func(name string) string { return upper(vectorName(name)) },
		"percent": func(share float64) float64 { return 100 * share },
		"hits": func(hits []hit, collection, using, score string) any {
			return struct {
				Hits                     []hit
				Collection, Using, Score string
				Similar                  bool
			}{hits, collection, using, score, score != ""}
		},
	}).ParseFS(pages, "pages/frame.html"))
	all := map[string]*template.Template{}
	for _, name := range []string{"home", "collection", "search", "point", "map", "login", "error"} {
		all[name] = template.Must(template.Must(frame.Clone()).ParseFS(pages, "pages/"+name+".html"))
	}
	return all
}()

// at is the address of a page of a collection.
func at(collection string, rest ...string) string {
	p := "/ui/collections/" + url.PathEscape(collection)
	for _, r := range rest {
		p += "/" + url.PathEscape(r)
	}
	return p
}

// asset is a file that pages refer to by what it holds, so that it can be kept for ever.
type asset struct {
	version, kind string
	content       []byte
}

var assets = func() map[string]asset {
	all := map[string]asset{}
	for file, kind := range map[string]string{"style.css": "text/css; charset=utf-8", "script.js": "text/javascript; charset=utf-8", "icon.svg": "image/svg+xml"} {
		b, err := pages.ReadFile(path.Join("pages", file))
		if err != nil {
			panic(err)
		}
		if file == "style.css" {
			b = append([]byte(report.Style), b...)
		}
		sum := sha256.Sum256(b)
		all[file] = asset{hex.EncodeToString(sum[:6]), kind, b}
	}
	return all
}()

func static(w http.ResponseWriter, r *http.Request) {
	a, ok := assets[r.PathValue("file")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", a.kind)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'") // of the icon
	if r.PathValue("version") == a.version {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	w.Write(a.content)
}

// home lists the collections.
func home(v *visit) error {
	type card struct {
		Name, Err string
		Info      collection.Info
		Vectors   []vectorFacts
	}
	var cards []card
	for _, name := range v.store.Names() {
		c := card{Name: name}
		col, err := v.store.Collection(name)
		if err == nil {
			if c.Info, err = col.Info(); err == nil {
				c.Vectors = vectorsOf(col, c.Info)
			}
		}
		if err != nil {
			if wire.Of(err).Kind == wire.NotFound {
				continue // deleted since
			}
			c.Err = wire.Of(err).Error()
		}
		cards = append(cards, c)
	}
	return v.show(http.StatusOK, "home", "Collections", nil, cards)
}

// open returns the collection of the path.
func (v *visit) open() (*collection.Collection, collection.Info, error) {
	col, err := v.store.Collection(v.PathValue("collection"))
	if err != nil {
		return nil, collection.Info{}, err
	}
	info, err := col.Info()
	return col, info, err
}

// local says whether a page is one of ours, to be sent to.
func local(page string) bool {
	u, err := url.Parse(page)
	return err == nil && u.Scheme == "" && u.Host == "" && u.User == nil && (u.Path == "/ui" || strings.HasPrefix(page, "/ui/")) && !strings.Contains(page, "\\")
}
