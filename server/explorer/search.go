package explorer

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/latent-go/latent/collection"
	"github.com/latent-go/latent/collection/filter"
	"github.com/latent-go/latent/collection/point"
	"github.com/latent-go/latent/server/wire"
)

// searchForm is what can be asked on the page of searches; a zero Q asks for all points.
type searchForm struct {
	By     string // "id", "vector", "text", or "words:" and a field with a text index
	Q      string
	Using  string
	Filter string // JSON
	Limit  int
	Skip   int    // of the hits
	After  string // of all points, the ID to begin at
	Exact  bool
}

const mostHits = 100

// hit is a point found, as pages show it.
type hit struct {
	ID      string
	Score   float32
	Ranked  bool // by the score
	Payload []field
	More    int // fields that are not shown
}

type field struct{ Key, Value string }

func showSearch(v *visit) error {
	col, info, err := v.open()
	if err != nil {
		return err
	}
	about := struct {
		Form    searchForm
		Points  int
		Vectors []vectorFacts
		Words   []string // fields with a text index
		Hits    []hit
		Score   string // what the score is
		Err     string
		Took    string
		Next    string // the address of the next page
	}{Points: info.Points, Vectors: vectorsOf(col, info), Words: textFields(col)}
	about.Form, err = formOf(v.URL.Query(), about.Vectors)
	status := http.StatusOK
	if err == nil {
		begin := time.Now()
		about.Hits, about.Next, err = v.search(col, about.Form)
		about.Took = strconv.FormatFloat(float64(time.Since(begin).Microseconds())/1000, 'f', 1, 64) + " ms"
	}
	if err != nil {
		status, about.Err = v.told("search failed", err)
	}
	about.Score = scoreName(about.Form, about.Vectors)
	return v.show(status, "search", "Search "+col.Name(), col, about)
}

// textFields are the fields that can be searched by words.
func textFields(col *collection.Collection) (out []string) {
	fields := col.Fields()
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if fields[name].Type == "text" {
			out = append(out, name)
		}
	}
	return out
}

func formOf(q url.Values, vectors []vectorFacts) (f searchForm, err error) {
	f = searchForm{By: cmp.Or(q.Get("by"), "id"), Q: strings.TrimSpace(q.Get("q")), Using: q.Get("using"), Filter: strings.TrimSpace(q.Get("filter")),
		After: q.Get("after"), Exact: q.Get("exact") != "", Limit: 10}
	if !q.Has("using") && len(vectors) > 0 {
		f.Using = vectors[0].Name
	}
	for _, n := range []struct {
		name     string
		to       *int
		from, up int
	}{{"limit", &f.Limit, 1, mostHits}, {"skip", &f.Skip, 0, 10_000}} {
		if text := q.Get(n.name); text != "" {
			if *n.to, err = strconv.Atoi(text); err != nil || *n.to < n.from || *n.to > n.up {
				*n.to = max(n.from, 10)
				return f, wire.Errorf(wire.BadInput, "%s is %.20q: want a whole number from %d to %d", n.name, text, n.from, n.up)
			}
		}
	}
	return f, nil
}

// scoreName says what the scores of a form's hits are.
func scoreName(f searchForm, vectors []vectorFacts) string {
	if strings.HasPrefix(f.By, "words:") {
		return "BM25"
	}
	for _, v := range vectors {
		if v.Name == f.Using {
			switch v.Distance {
			case "Euclid", "Manhattan":
				return "distance"
			case "Cosine":
				return "cosine"
			}
			return "inner product"
		}
	}
	return "score"
}

func filterOf(text string) (*filter.Filter, error) {
	if text == "" {
		return nil, nil
	}
	f := new(filter.Filter)
	if err := json.Unmarshal([]byte(text), f); err != nil {
		return nil, wire.Errorf(wire.BadInput, "the filter: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	return f, nil
}

// search returns the hits of a form, and the address of those that come next if there may be any.
func (v *visit) search(col *collection.Collection, f searchForm) ([]hit, string, error) {
	only, err := filterOf(f.Filter)
	if err != nil {
		return nil, "", err
	}
	all := collection.Select{All: true}
	next := v.URL.Query()
	if f.Q == "" {
		ask := collection.Scroll{Filter: only, Limit: f.Limit, WithPayload: all}
		if f.After != "" {
			id, err := point.ParseID(f.After)
			if err != nil {
				return nil, "", err
			}
			ask.Offset = &id
		}
		found, after, err := col.Scroll(v.Context(), ask)
		if err != nil || after == nil {
			return hitsOf(found, false), "", err
		}
		next.Set("after", after.String())
		return hitsOf(found, false), "?" + next.Encode(), nil
	}
	ask, err := v.ask(f)
	if err != nil {
		return nil, "", err
	}
	found, err := col.Query(v.Context(), collection.Query{Ask: ask, Using: f.Using, Filter: only, Limit: f.Limit, Offset: f.Skip,
		Params: collection.Params{Exact: f.Exact}, WithPayload: all})
	if err != nil || len(found) < f.Limit {
		return hitsOf(found, true), "", err
	}
	next.Set("skip", strconv.Itoa(f.Skip+f.Limit))
	return hitsOf(found, true), "?" + next.Encode(), nil
}

func (v *visit) ask(f searchForm) (collection.Ask, error) {
	switch key, words := strings.CutPrefix(f.By, "words:"); {
	case words:
		return collection.Text{Key: key, Query: f.Q}, nil
	case f.By == "id":
		id, err := point.ParseID(f.Q)
		return collection.Nearest{To: collection.Input{ID: &id}}, err
	case f.By == "vector":
		x, err := parseVector(f.Q)
		return collection.Nearest{To: collection.Input{Vector: &x}}, err
	case f.By == "text" && v.o.Embedder == nil:
		return nil, wire.Errorf(wire.BadInput, "this server has no model for texts: start it with --embedder minilm-l6")
	case f.By == "text":
		m, err := v.o.Embedder.Embed(v.Context(), []string{f.Q})
		if err != nil {
			return nil, err
		}
		x := point.Dense(m.Row(0))
		return collection.Nearest{To: collection.Input{Vector: &x}}, nil
	}
	return nil, wire.Errorf(wire.BadInput, "by %.40q nothing can be searched: want id, vector, text or words", f.By)
}

// parseVector reads a vector as JSON, or as numbers with commas or spaces between.
func parseVector(s string) (x point.Vector, err error) {
	if strings.HasPrefix(s, "[") || strings.HasPrefix(s, "{") {
		err = json.Unmarshal([]byte(s), &x)
		if err != nil {
			return x, wire.Errorf(wire.BadInput, "the vector: %s", strings.TrimPrefix(err.Error(), "json: "))
		}
		return x, wire.CheckVector("the vector", x)
	}
	for _, text := range strings.FieldsFunc(s, func(c rune) bool { return c == ',' || c == ';' || c <= ' ' }) {
		n, err := strconv.ParseFloat(text, 32)
		if err != nil {
			return x, wire.Errorf(wire.BadInput, "the vector: %.20q is no number", text)
		}
		x.Dense = append(x.Dense, float32(n))
	}
	return x, wire.CheckVector("the vector", x)
}

func hitsOf(found []collection.Hit, ranked bool) []hit {
	const fields, runes = 8, 200
	out := make([]hit, len(found))
	for i, h := range found {
		out[i] = hit{ID: h.ID.String(), Score: h.Score, Ranked: ranked, More: max(len(h.Payload)-fields, 0)}
		for _, key := range slices.Sorted(maps.Keys(h.Payload))[:min(len(h.Payload), fields)] {
			out[i].Payload = append(out[i].Payload, field{cut(key, 60), short(h.Payload[key], runes)})
		}
	}
	return out
}
