package collection

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"github.com/latent-go/latent/collection/filter"
	"github.com/latent-go/latent/collection/fusion"
	"github.com/latent-go/latent/collection/point"
	"github.com/latent-go/latent/collection/text"
	"github.com/latent-go/latent/vec"
)

// model is a collection as a map, and every answer by the definition.
type model struct {
	points  map[point.ID]point.Point
	metric  vec.Metric
	idf     bool
	schemas map[string]filter.Schema
}

// like is how alike two vectors are, as the inner measure has it: the inner product, or minus a distance.
func (m *model) like(a, b point.Vector) float64 {
	switch {
	case a.Sparse != nil:
		sum := 0.0
		for i, d := range a.Sparse.Indices {
			if j := slices.Index(b.Sparse.Indices, d); j >= 0 {
				sum += float64(a.Sparse.Values[i]) * float64(b.Sparse.Values[j])
			}
		}
		return sum
	case b.Multi != nil:
		rows := a.Multi
		if rows == nil {
			rows = [][]float32{a.Dense}
		}
		sum := 0.0
		for _, q := range rows {
			best := math.Inf(-1)
			for _, r := range b.Multi {
				best = max(best, m.like(point.Dense(q), point.Dense(r)))
			}
			sum += best
		}
		return sum
	}
	dot, l1, l2, na, nb := 0.0, 0.0, 0.0, 0.0, 0.0
	for i := range a.Dense {
		x, y := float64(a.Dense[i]), float64(b.Dense[i])
		dot += x * y
		l1 += math.Abs(x - y)
		l2 += (x - y) * (x - y)
		na, nb = na+x*x, nb+y*y
	}
	switch m.metric {
	case vec.Cosine:
		if na == 0 || nb == 0 {
			return 0
		}
		return dot / math.Sqrt(na*nb)
	case vec.InnerProduct:
		return dot
	case vec.Euclidean:
		return -l2
	}
	return -l1
}

func (m *model) less(using string) bool {
	return using != "s" && (m.metric == vec.Euclidean || m.metric == vec.Manhattan)
}

// score is the score of a likeness under a metric.
func (m *model) score(using string, like float64) float64 {
	switch {
	case !m.less(using):
		return like
	case m.metric == vec.Euclidean:
		return math.Sqrt(math.Abs(like))
	}
	return math.Abs(like)
}

func (m *model) words(key filter.Path) *text.Tokenizer {
	if s, ok := m.schemas[key.String()]; ok && s.Type == "text" {
		return text.NewTokenizer(s.Text)
	}
	return nil
}

// matching is the points that a filter lets through, by ID.
func (m *model) matching(f *filter.Filter) (ids []point.ID) {
	ok := f.Compile(m.words)
	for id, p := range m.points {
		if ok(&filter.Subject{ID: id, Payload: p.Payload, Has: func(name string) bool { _, ok := p.Vectors[name]; return ok }}) {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, point.ID.Compare)
	return ids
}

// shares says whether two sparse vectors have an index in common, without which a point is not found.
func shares(a, b point.Vector) bool {
	return a.Sparse == nil || slices.ContainsFunc(a.Sparse.Indices, func(d uint32) bool { return slices.Contains(b.Sparse.Indices, d) })
}

// nearest is the score of each point that a search for x may find.
func (m *model) nearest(using string, x point.Vector, ids []point.ID) map[point.ID]float64 {
	if using == "s" && m.idf {
		x = m.weighted(x)
	}
	out := map[point.ID]float64{}
	for _, id := range ids {
		if v, ok := m.points[id].Vectors[using]; ok && shares(x, v) {
			out[id] = m.score(using, m.like(x, v))
		}
	}
	return out
}

func (m *model) weighted(x point.Vector) point.Vector {
	n, df := 0.0, map[uint32]float64{}
	for _, p := range m.points {
		if v, ok := p.Vectors["s"]; ok {
			n++
			for _, d := range v.Sparse.Indices {
				df[d]++
			}
		}
	}
	out := &point.Sparse{Indices: x.Sparse.Indices}
	for i, d := range x.Sparse.Indices {
		out.Values = append(out.Values, x.Sparse.Values[i]*float32(math.Log(1+(n-df[d]+0.5)/(df[d]+0.5))))
	}
	return point.Vector{Sparse: out}
}

// checkTop checks that hits are the k best by want, where those too close to tell apart may change places.
func checkTop(t *rapid.T, what string, hits []Hit, want map[point.ID]float64, k int, less bool) {
	t.Helper()
	if len(hits) != min(k, len(want)) {
		t.Fatalf("%s: %d hits, want %d of %d", what, len(hits), k, len(want))
	}
	met := map[point.ID]bool{}
	worst := math.Inf(1)
	sign := 1.0
	if less {
		sign = -1
	}
	for i, h := range hits {
		w, ok := want[h.ID]
		if !ok || met[h.ID] {
			t.Fatalf("%s: %s should not be among the hits, or is twice", what, h.ID)
		}
		met[h.ID] = true
		if math.Abs(float64(h.Score)-w) > 2e-3*(1+math.Abs(w)) { // of roots of float32 differences near 0
			t.Fatalf("%s: score of %s is %v, want %v", what, h.ID, h.Score, w)
		}
		if i > 0 && sign*float64(hits[i-1].Score) < sign*float64(h.Score) {
			t.Fatalf("%s: hit %d is better than the one before it", what, i)
		}
		worst = min(worst, sign*w)
	}
	for id, w := range want {
		if !met[id] && sign*w > worst+2e-3*(1+math.Abs(w)) {
			t.Fatalf("%s: %s with %v is missing, the worst hit has %v", what, id, w, sign*worst)
		}
	}
}

// world is a collection and its model.
type world struct {
	*model
	t     *rapid.T
	fs    vfs.FS
	store *Store
	c     *Collection
}

const queryDim = 3

func drawn[T any](t *rapid.T, list ...T) T {
	return list[rapid.IntRange(0, len(list)-1).Draw(t, "of")]
}

func newWorld(t *rapid.T) *world {
	w := &world{t: t, fs: vfs.NewMem(), model: &model{points: map[point.ID]point.Point{}, schemas: map[string]filter.Schema{}}}
	w.metric = drawn(t, vec.Cosine, vec.InnerProduct, vec.Euclidean, vec.Manhattan)
	w.idf = rapid.Bool().Draw(t, "idf")
	w.open()
	err := w.store.Create(ctx, "c", Config{
		Vectors: map[string]VectorConfig{"d": {Size: queryDim, Distance: w.metric}, "m": {Size: queryDim, Distance: w.metric, Multi: true}},
		Sparse:  map[string]SparseConfig{"s": {IDF: w.idf}},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.c, err = w.store.Collection("c")
	if err != nil {
		t.Fatal(err)
	}
	for range rapid.IntRange(0, 2).Draw(t, "batches") {
		w.change()
	}
	for field, types := range map[string][]string{
		"n": {"integer", "float"}, "tag": {"keyword"}, "text": {"text"}, "at": {"datetime"}, "ok": {"bool"},
	} {
		if rapid.IntRange(0, 3).Draw(t, "indexed") > 0 {
			s := filter.Schema{Type: drawn(t, types...)}
			if err := w.c.CreateFieldIndex(ctx, field, s); err != nil {
				t.Fatal(err)
			}
			w.schemas[field] = s
		}
	}
	for range rapid.IntRange(1, 4).Draw(t, "batches") {
		w.change()
	}
	if rapid.Bool().Draw(t, "restart") {
		if err := w.store.Close(); err != nil {
			t.Fatal(err)
		}
		w.open()
		if w.c, err = w.store.Collection("c"); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func (w *world) open() {
	var err error
	if w.store, err = Open("db", Options{FS: w.fs}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) id() point.ID {
	n := rapid.IntRange(0, 30).Draw(w.t, "id")
	if n%5 == 4 {
		return point.UUID([16]byte{15: byte(n)})
	}
	return point.Num(uint64(n))
}

func (w *world) row() []float32 {
	out := make([]float32, queryDim)
	for i := range out {
		out[i] = float32(rapid.IntRange(-40, 40).Draw(w.t, "x")) / 8
	}
	return out
}

func (w *world) vector(using string) point.Vector {
	switch using {
	case "d":
		return point.Dense(w.row())
	case "m":
		rows := make([][]float32, rapid.IntRange(1, 3).Draw(w.t, "rows"))
		for i := range rows {
			rows[i] = w.row()
		}
		return point.Multi(rows)
	}
	s := &point.Sparse{}
	for d := range uint32(5) {
		if rapid.Bool().Draw(w.t, "has") {
			s.Indices, s.Values = append(s.Indices, d*7), append(s.Values, float32(rapid.IntRange(-16, 16).Draw(w.t, "x"))/8)
		}
	}
	return point.Vector{Sparse: s}
}

var queryWords = strings.Fields("red green blue fox dog")

func (w *world) payload() point.Payload {
	p := point.Payload{}
	some := func() bool { return rapid.IntRange(0, 4).Draw(w.t, "some") > 0 }
	if some() {
		p["n"] = drawn[any](w.t, int64(1), int64(2), int64(3), int64(-7), 2.5, []any{int64(1), int64(4)})
	}
	if some() {
		p["tag"] = drawn[any](w.t, "a", "b", "c", []any{"a", "d"}, int64(5), nil)
	}
	if some() {
		list := make([]string, rapid.IntRange(0, 5).Draw(w.t, "words"))
		for i := range list {
			list[i] = drawn(w.t, queryWords...)
		}
		p["text"] = strings.Join(list, " ")
	}
	if some() {
		p["at"] = fmt.Sprintf("2020-01-%02d", rapid.IntRange(1, 9).Draw(w.t, "day"))
	}
	if some() {
		p["ok"] = rapid.Bool().Draw(w.t, "ok")
	}
	return p
}

// change applies a batch to both.
func (w *world) change() {
	var ops []Op
	for range rapid.IntRange(1, 3).Draw(w.t, "ops") {
		switch rapid.IntRange(0, 5).Draw(w.t, "op") {
		case 0:
			id := w.id()
			ops = append(ops, Delete{Selector{IDs: []point.ID{id}}})
			delete(w.points, id)
		case 1:
			id := w.id()
			if p, ok := w.points[id]; ok {
				p.Payload = w.payload()
				w.points[id] = p
				ops = append(ops, OverwritePayload{Selector{IDs: []point.ID{id}}, p.Payload})
			}
		default:
			var batch []point.Point
			for range rapid.IntRange(1, 12).Draw(w.t, "points") {
				p := point.Point{ID: w.id(), Vectors: point.Vectors{}, Payload: w.payload()}
				for _, name := range []string{"d", "m", "s"} {
					if rapid.IntRange(0, 4).Draw(w.t, "has") > 0 {
						p.Vectors[name] = w.vector(name)
					}
				}
				batch = append(batch, p)
				w.points[p.ID] = p
			}
			ops = append(ops, Upsert{Points: batch})
		}
	}
	if _, err := w.c.Apply(ctx, ops, rapid.Bool().Draw(w.t, "durable")); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) filter() *filter.Filter {
	one, three := 1.0, 3.0
	day, _ := filter.ParseTime("2020-01-05")
	condition := func() filter.Condition {
		return drawn[filter.Condition](w.t,
			filter.Field{Key: filter.Key("n"), Test: filter.Range{Gte: &one, Lt: &three}},
			filter.Field{Key: filter.Key("n"), Test: filter.Equal{Value: int64(1)}},
			filter.Field{Key: filter.Key("tag"), Test: filter.Equal{Value: "a"}},
			filter.Field{Key: filter.Key("tag"), Test: filter.Except{Strings: []string{"a", "b"}}},
			filter.Field{Key: filter.Key("text"), Test: filter.Text("red fox")},
			filter.Field{Key: filter.Key("text"), Test: filter.Phrase("red fox")},
			filter.Field{Key: filter.Key("at"), Test: filter.Times{Lt: &day}},
			filter.Field{Key: filter.Key("ok"), Test: filter.Equal{Value: true}},
			filter.IsEmpty{Key: filter.Key("tag")}, filter.HasVector("m"), filter.HasID{w.id(), w.id(), w.id()}, filter.Slice{Total: 2, Index: 1})
	}
	switch rapid.IntRange(0, 3).Draw(w.t, "filter") {
	case 0:
		return nil
	case 1:
		return &filter.Filter{Must: []filter.Condition{condition()}}
	case 2:
		return &filter.Filter{MustNot: []filter.Condition{condition()}}
	}
	return &filter.Filter{Should: []filter.Condition{condition(), condition()}, MustNot: []filter.Condition{condition()}}
}

// input is an example, as a vector or as the ID of a point that has it.
func (w *world) input(using string) (Input, point.Vector, *point.ID) {
	if rapid.Bool().Draw(w.t, "by ID") {
		for _, id := range w.matching(&filter.Filter{Must: []filter.Condition{filter.HasVector(using)}}) {
			if rapid.IntRange(0, 3).Draw(w.t, "this") == 0 {
				return Input{ID: &id}, w.points[id].Vectors[using], &id
			}
		}
	}
	x := w.vector(using)
	return Input{Vector: &x}, x, nil
}

func (w *world) query(q Query) []Hit {
	w.t.Helper()
	hits, err := w.c.Query(ctx, q)
	if err != nil {
		w.t.Fatalf("%+v: %v", q, err)
	}
	return hits
}

func minus(ids []point.ID, out ...*point.ID) []point.ID {
	return slices.DeleteFunc(slices.Clone(ids), func(id point.ID) bool {
		return slices.ContainsFunc(out, func(o *point.ID) bool { return o != nil && *o == id })
	})
}

// Every way of asking gives what the definition does, under filters, with indexes or without, after changes and restarts.
func TestQueryModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		defer w.store.Close()
		for range 4 {
			f := w.filter()
			ids := w.matching(f)
			using := drawn(t, "d", "m", "s")
			k := rapid.IntRange(1, 8).Draw(t, "k")
			in, x, self := w.input(using)
			scores := w.nearest(using, x, minus(ids, self))
			q := Query{Ask: Nearest{To: in}, Using: using, Filter: f, Limit: k}
			hits := w.query(q)
			checkTop(t, "nearest "+using, hits, scores, k, w.less(using))

			// Offset and threshold cut the same ranking.
			q.Offset, q.Limit = rapid.IntRange(0, 3).Draw(t, "offset"), 40
			all := w.query(Query{Ask: q.Ask, Using: using, Filter: f, Limit: 50})
			if got := w.query(q); len(got) != max(0, len(all)-q.Offset) || len(got) > 0 && got[0].ID != all[q.Offset].ID {
				t.Fatalf("offset %d of %d hits gives %d", q.Offset, len(all), len(got))
			}
			if len(all) > 0 {
				q.Offset, q.ScoreThreshold = 0, &all[len(all)/2].Score
				want := 0
				for _, h := range all {
					if h.Score == *q.ScoreThreshold || (h.Score > *q.ScoreThreshold) != w.less(using) {
						want++
					}
				}
				if got := w.query(q); len(got) != want {
					t.Fatalf("threshold %v gives %d hits of %d, want %d", *q.ScoreThreshold, len(got), len(all), want)
				}
			}
			w.checkDiverse(f, ids, using, k)
			w.checkExamples(f, ids, using, k)
			w.checkFields(f, ids, k)
			w.checkFusion(f, using, k)
			w.checkGroups(f, using)
		}
	})
}

// checkDiverse checks that each hit is the one that relevance and likeness to those before it speak for.
func (w *world) checkDiverse(f *filter.Filter, ids []point.ID, using string, k int) {
	if using == "s" && w.idf {
		return // IDF weighs the query, and not the points that are compared with each other
	}
	in, x, self := w.input(using)
	scores := w.nearest(using, x, minus(ids, self))
	if len(scores) > 20 {
		return // which of equal ones are candidates is not said
	}
	const diversity = 0.25
	q := Query{Ask: Nearest{To: in, MMR: &MMR{Diversity: diversity, Candidates: 20}}, Using: using, Filter: f, Limit: k}
	hits := w.query(q)
	if len(hits) != min(k, len(scores)) {
		w.t.Fatalf("MMR: %d hits, want %d of %d", len(hits), k, len(scores))
	}
	left := map[point.ID]bool{}
	for id := range scores {
		left[id] = true
	}
	for i, h := range hits {
		if !left[h.ID] || math.Abs(float64(h.Score)-scores[h.ID]) > 2e-3*(1+math.Abs(scores[h.ID])) {
			w.t.Fatalf("MMR: hit %s with %v, want %v", h.ID, h.Score, scores[h.ID])
		}
		marginal := func(id point.ID) float64 {
			v := w.points[id].Vectors[using]
			if i == 0 {
				return w.like(x, v)
			}
			near := math.Inf(-1)
			for _, o := range hits[:i] {
				near = max(near, w.like(v, w.points[o.ID].Vectors[using]))
			}
			return (1-diversity)*w.like(x, v) - diversity*near
		}
		got := marginal(h.ID)
		for id := range left {
			if m := marginal(id); m > got+1e-3*(1+math.Abs(m)+math.Abs(w.like(x, w.points[id].Vectors[using]))) {
				w.t.Fatalf("MMR: pick %d is %s with %v, and %s has %v", i, h.ID, got, id, m)
			}
		}
		delete(left, h.ID)
	}
}

func squash(x float64) float64 { return x / (1 + math.Abs(x)) }

func (w *world) checkExamples(f *filter.Filter, ids []point.ID, using string, k int) {
	in1, a, self1 := w.input(using)
	in2, b, self2 := w.input(using)
	in3, c, self3 := w.input(using)
	rest := slices.DeleteFunc(minus(ids, self1, self2, self3), func(id point.ID) bool { _, ok := w.points[id].Vectors[using]; return !ok })
	score := func(of func(a, b, c float64) float64) map[point.ID]float64 {
		out := map[point.ID]float64{}
		for _, id := range rest {
			v := w.points[id].Vectors[using]
			out[id] = of(w.like(a, v), w.like(b, v), w.like(c, v))
		}
		return out
	}
	discontinuous := func(a, b float64) float64 { // the side of a pair, where rounding does not decide it
		switch {
		case a > b+1e-4:
			return 1
		case a < b-1e-4:
			return -1
		}
		return math.NaN()
	}
	if !(using == "s" && w.idf) { // IDF weighs queries, which these are not
		best := score(func(a, b, c float64) float64 {
			if max(a, b) > c {
				return (squash(max(a, b)) + 1) / 2
			}
			return -(squash(c) + 1) / 2
		})
		discover := score(func(a, b, c float64) float64 { return discontinuous(b, c) + (squash(a)+1)/2 })
		sums := score(func(a, b, c float64) float64 { return a + b - c })
		context := score(func(a, b, c float64) float64 { return squash(min(a-b, 0)) })
		clear := true
		for id := range best {
			v := w.points[id].Vectors[using]
			clear = clear && !math.IsNaN(discover[id]) && math.Abs(max(w.like(a, v), w.like(b, v))-w.like(c, v)) > 1e-4
		}
		rec := Recommend{Positive: []Input{in1, in2}, Negative: []Input{in3}, Strategy: "sum_scores"}
		checkTop(w.t, "sum_scores", w.query(Query{Ask: rec, Using: using, Filter: f, Limit: k}), sums, k, false)
		if clear {
			rec.Strategy = "best_score"
			checkTop(w.t, "best_score", w.query(Query{Ask: rec, Using: using, Filter: f, Limit: k}), best, k, false)
			d := Discover{Target: &in1, Context: []ContextPair{{in2, in3}}}
			checkTop(w.t, "discover", w.query(Query{Ask: d, Using: using, Filter: f, Limit: k}), discover, k, false)
		}
		if self3 == nil {
			d := Discover{Context: []ContextPair{{in1, in2}}}
			checkTop(w.t, "context", w.query(Query{Ask: d, Using: using, Filter: f, Limit: k}), context, k, false)
		}
	}
	if using == "d" {
		mean := make([]float32, queryDim)
		unit := func(in Input, v []float32) []float32 { // what is stored under cosine has length 1
			v = slices.Clone(v)
			if in.ID != nil && w.metric == vec.Cosine {
				vec.Normalize(v, v)
			}
			return v
		}
		x, y, z := unit(in1, a.Dense), unit(in2, b.Dense), unit(in3, c.Dense)
		for i := range mean {
			mean[i] = x[i] + y[i] - z[i]
		}
		want := w.nearest(using, point.Dense(mean), rest)
		got := w.query(Query{Ask: Recommend{Positive: []Input{in1, in2}, Negative: []Input{in3}}, Using: using, Filter: f, Limit: k})
		checkTop(w.t, "average_vector", got, want, k, w.less(using))
	}
}

// checkFields checks what goes by payloads: scroll, order, count, facets, words.
func (w *world) checkFields(f *filter.Filter, ids []point.ID, k int) {
	t := w.t
	n, err := w.c.Count(ctx, f, true)
	if err != nil || n != len(ids) {
		t.Fatalf("count %d, want %d, %v", n, len(ids), err)
	}
	if about, err := w.c.Count(ctx, f, false); err != nil || about < 0 || about > len(w.points) {
		t.Fatalf("about %d of %d, %v", about, len(w.points), err)
	}
	var got []point.ID
	for at := (*point.ID)(nil); ; {
		hits, next, err := w.c.Scroll(ctx, Scroll{Filter: f, Offset: at, Limit: k, WithPayload: Select{All: true}})
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range hits {
			got = append(got, h.ID)
			a, _ := json.Marshal(h.Payload)
			b, _ := json.Marshal(w.points[h.ID].Payload)
			if len(w.points[h.ID].Payload) > 0 && string(a) != string(b) {
				t.Fatalf("payload of %s is %s, want %s", h.ID, a, b)
			}
		}
		if at = next; next == nil {
			break
		}
	}
	if !slices.Equal(got, ids) {
		t.Fatalf("scrolled %v, want %v", got, ids)
	}
	hits := w.query(Query{Filter: f, Limit: k})
	if len(hits) != min(k, len(ids)) || len(hits) > 0 && hits[0].ID != ids[0] {
		t.Fatalf("a query that asks nothing gives %v of %v", hits, ids)
	}
	hits = w.query(Query{Ask: Sample{}, Filter: f, Limit: k})
	met := map[point.ID]bool{}
	for _, h := range hits {
		if !slices.Contains(ids, h.ID) || met[h.ID] {
			t.Fatalf("sampled %s", h.ID)
		}
		met[h.ID] = true
	}
	if len(hits) != min(k, len(ids)) {
		t.Fatalf("sampled %d of %d", len(hits), len(ids))
	}
	w.checkOrder(f, ids, k)
	w.checkFacet(f, ids)
	w.checkWords(f, ids, k)
}

func (w *world) checkOrder(f *filter.Filter, ids []point.ID, k int) {
	down := rapid.Bool().Draw(w.t, "down")
	o := OrderBy{Key: drawn(w.t, "n", "at"), Descending: down}
	s, indexed := w.schemas[o.Key]
	value := func(p point.Payload) (best float64, ok bool) {
		for _, v := range elements(p[o.Key]) {
			var x float64
			switch v := v.(type) {
			case int64:
				x = float64(v)
			case float64:
				if s.Type == "integer" {
					continue
				}
				x = v
			case string:
				at, _ := filter.ParseTime(v)
				x = float64(at.UnixMicro())
			default:
				continue
			}
			if o.StartFrom != nil && (x < 2) != down && x != 2 {
				continue
			}
			if !ok || (x < best) != down {
				best, ok = x, true
			}
		}
		return best, ok
	}
	if o.Key == "n" && rapid.Bool().Draw(w.t, "from") {
		o.StartFrom = int64(2)
	}
	hits, next, err := w.c.Scroll(ctx, Scroll{Filter: f, OrderBy: &o, Limit: k})
	if !indexed {
		if !errors.Is(err, ErrInput) {
			w.t.Fatalf("order by a field without index: %v", err)
		}
		return
	}
	if err != nil || next != nil {
		w.t.Fatal(next, err)
	}
	want := map[point.ID]float64{}
	for _, id := range ids {
		if x, ok := value(w.points[id].Payload); ok {
			want[id] = x
		}
	}
	for i, h := range hits {
		switch x := h.Order.(type) {
		case int64:
			hits[i].Score = float32(x)
		case float64:
			hits[i].Score = float32(x)
		default:
			w.t.Fatalf("%s is in order by %v", h.ID, h.Order)
		}
	}
	checkTop(w.t, "order", hits, want, k, !down)
}

func elements(v any) []any {
	if list, ok := v.([]any); ok {
		return list
	}
	return []any{v}
}

func (w *world) checkFacet(f *filter.Filter, ids []point.ID) {
	got, err := w.c.Facet(ctx, "tag", f, 100, true)
	if _, ok := w.schemas["tag"]; !ok {
		if !errors.Is(err, ErrInput) {
			w.t.Fatalf("facets of a field without index: %v", err)
		}
		return
	}
	counts := map[string]int{}
	for _, id := range ids {
		for _, v := range elements(w.points[id].Payload["tag"]) {
			if s, ok := v.(string); ok {
				counts[s]++
			}
		}
	}
	var want []Facet
	for v, n := range counts {
		want = append(want, Facet{v, n})
	}
	slices.SortFunc(want, func(a, b Facet) int {
		return cmp.Or(b.Count-a.Count, strings.Compare(a.Value.(string), b.Value.(string)))
	})
	if err != nil || !slices.Equal(got, want) {
		w.t.Fatalf("facets %v, want %v, %v", got, want, err)
	}
}

func (w *world) checkWords(f *filter.Filter, ids []point.ID, k int) {
	q := Query{Ask: Text{"text", "red fox"}, Filter: f, Limit: k}
	if _, ok := w.schemas["text"]; !ok {
		if _, err := w.c.Query(ctx, q); !errors.Is(err, ErrInput) {
			w.t.Fatalf("words of a field without index: %v", err)
		}
		return
	}
	texts, length, df := 0.0, 0.0, map[string]float64{}
	count := func(id point.ID, word string) (n float64) {
		s, _ := w.points[id].Payload["text"].(string)
		for _, x := range strings.Fields(s) {
			if word == "" || x == word {
				n++
			}
		}
		return n
	}
	for id := range w.points {
		if n := count(id, ""); n > 0 {
			texts++
			length += n
		}
		for _, word := range []string{"red", "fox"} {
			if count(id, word) > 0 {
				df[word]++
			}
		}
	}
	want := map[point.ID]float64{}
	for _, id := range ids {
		for _, word := range []string{"red", "fox"} {
			if tf := count(id, word); tf > 0 {
				want[id] += math.Log(1+(texts-df[word]+0.5)/(df[word]+0.5)) * tf * 2.2 / (tf + 1.2*(0.25+0.75*count(id, "")/(length/texts)))
			}
		}
	}
	checkTop(w.t, "BM25", w.query(q), want, k, false)
}

// checkFusion checks that a tree of prefetches gives what its parts do, asked one by one.
func (w *world) checkFusion(f *filter.Filter, using string, k int) {
	in1, _, _ := w.input("d")
	in2, _, _ := w.input(using)
	parts := []Query{{Ask: Nearest{To: in1}, Using: "d", Limit: 7}, {Ask: Nearest{To: in2}, Using: using, Limit: 5}}
	less := []bool{w.less("d"), w.less(using)}
	lists := make([][]fusion.Hit[point.ID], 2)
	found := map[point.ID]bool{}
	for i, p := range parts {
		p.Filter = f
		for _, h := range w.query(p) {
			s := float64(h.Score)
			if less[i] {
				s = -s
			}
			lists[i] = append(lists[i], fusion.Hit[point.ID]{ID: h.ID, Score: s})
			found[h.ID] = true
		}
	}
	weights := []float32{2, 1}
	rrf, _ := fusion.RRF(lists, 3, []float64{2, 1})
	for method, want := range map[string][]fusion.Hit[point.ID]{"rrf": rrf, "dbsf": fusion.DBSF(lists)} {
		scores := map[point.ID]float64{}
		for _, h := range want {
			scores[h.ID] = h.Score
		}
		got := w.query(Query{Prefetch: parts, Ask: Fusion{Method: method, K: 3, Weights: weights}, Filter: f, Limit: k})
		checkTop(w.t, method, got, scores, k, false)
	}
	x := w.vector("d") // another vector ranks what both found
	var ids []point.ID
	for id := range found {
		ids = append(ids, id)
	}
	got := w.query(Query{Prefetch: parts, Ask: Nearest{To: Input{Vector: &x}}, Using: "d", Filter: f, Limit: k})
	checkTop(w.t, "rescored", got, w.nearest("d", x, ids), k, w.less("d"))
}

// checkGroups checks that groups are the whole ranking, put into groups.
func (w *world) checkGroups(f *filter.Filter, using string) {
	in, _, _ := w.input(using)
	q := Query{Ask: Nearest{To: in}, Using: using, Filter: f}
	by := GroupBy{Key: drawn(w.t, "tag", "n"), Limit: rapid.IntRange(1, 4).Draw(w.t, "groups"), Size: rapid.IntRange(1, 3).Draw(w.t, "size")}
	got, err := w.c.QueryGroups(ctx, q, by)
	if err != nil {
		w.t.Fatal(err)
	}
	q.Limit = 100
	type group struct {
		value any
		ids   []point.ID
	}
	var want []group
	for _, h := range w.query(q) {
		for _, v := range elements(w.points[h.ID].Payload[by.Key]) {
			switch v.(type) {
			case string, int64:
			default:
				continue
			}
			i := slices.IndexFunc(want, func(g group) bool { return g.value == v })
			if i < 0 {
				if len(want) == by.Limit {
					continue
				}
				i = len(want)
				want = append(want, group{value: v})
			}
			if len(want[i].ids) < by.Size {
				want[i].ids = append(want[i].ids, h.ID)
			}
		}
	}
	if len(got) != len(want) {
		w.t.Fatalf("%d groups, want %d", len(got), len(want))
	}
	for i, g := range got {
		var ids []point.ID
		for _, h := range g.Hits {
			ids = append(ids, h.ID)
		}
		if g.Value != want[i].value || !slices.Equal(ids, want[i].ids) {
			w.t.Fatalf("group %d is %v: %v, want %v", i, g.Value, ids, want[i])
		}
	}
}

// What cannot be asked is refused, and says why.
func TestQueryRefused(t *testing.T) {
	s, err := Open("db", Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Create(ctx, "c", Config{Vectors: map[string]VectorConfig{"d": {Size: 2}}, Sparse: map[string]SparseConfig{"s": {}}}); err != nil {
		t.Fatal(err)
	}
	c, _ := s.Collection("c")
	one, seven := point.Num(1), point.Num(7)
	x, y, z := point.Dense([]float32{1, 2}), point.Dense([]float32{1, 2, 3}), point.Vector{Sparse: &point.Sparse{Indices: []uint32{1, 1}, Values: []float32{1, 2}}}
	if _, err := c.Apply(ctx, []Op{Upsert{Points: []point.Point{{ID: one, Vectors: point.Vectors{"s": {Sparse: &point.Sparse{Indices: []uint32{1}, Values: []float32{1}}}}}}}}, false); err != nil {
		t.Fatal(err)
	}
	deep := Query{Ask: Fusion{}, Prefetch: []Query{{}}}
	for range 20 {
		deep = Query{Ask: Fusion{}, Prefetch: []Query{deep}}
	}
	near := func(in Input, using string) Query { return Query{Ask: Nearest{To: in}, Using: using} }
	for _, c2 := range []struct {
		q    Query
		is   error
		says string
	}{
		{near(Input{Vector: &x}, "no"), ErrInput, "Not existing vector name error: no"},
		{near(Input{Vector: &y}, "d"), ErrInput, "expected dim: 2, got 3"},
		{near(Input{Vector: &z}, "s"), ErrInput, "twice"},
		{near(Input{Vector: &z}, "d"), ErrInput, ""},
		{near(Input{Vector: &x}, "s"), ErrInput, "sparse"},
		{near(Input{ID: &seven}, "d"), ErrNotFound, "No point with id 7 found"},
		{near(Input{ID: &one}, "d"), ErrNotFound, "has no vector"},
		{near(Input{}, "d"), ErrInput, "neither"},
		{Query{Ask: Recommend{}, Using: "d"}, ErrInput, "At least one positive"},
		{Query{Ask: Recommend{Positive: []Input{{Vector: &x}}, Strategy: "x"}, Using: "d"}, ErrInput, "unknown strategy"},
		{Query{Ask: Recommend{Positive: []Input{{Vector: &x}}, Negative: []Input{{Vector: &y}}}, Using: "d"}, ErrInput, "same type"},
		{Query{Ask: Discover{}, Using: "d"}, ErrInput, "needs a target"},
		{Query{Ask: Fusion{}}, ErrInput, "without prefetches"},
		{Query{Ask: Fusion{Method: "sum"}, Prefetch: []Query{{}}}, ErrInput, "unknown fusion"},
		{Query{Ask: Fusion{Weights: []float32{1, 2}}, Prefetch: []Query{{}}}, ErrInput, "Number of weights"},
		{Query{Prefetch: []Query{{}}}, ErrInput, "A query is needed"},
		{deep, ErrInput, "nested deeper"},
		{Query{Limit: -1}, ErrInput, "limit or offset"},
		{Query{Ask: OrderBy{Key: "a["}}, ErrInput, "key"},
		{Query{Ask: OrderBy{Key: "a"}}, ErrInput, "Index required but not found for \"a\""},
		{Query{Ask: Nearest{To: Input{Vector: &x}, MMR: &MMR{Diversity: 2}}, Using: "d"}, ErrInput, "diversity"},
		{Query{Ask: Nearest{To: Input{ID: &one}}, Using: "d", LookupFrom: &Lookup{Collection: "other"}}, ErrNotFound, "other"},
	} {
		_, err := c.Query(ctx, c2.q)
		if !errors.Is(err, c2.is) || !strings.Contains(err.Error(), c2.says) {
			t.Errorf("%+v: %v, want %q", c2.q, err, c2.says)
		}
	}
}

// A filter that no index decides is answered by looking at what is near, and finds the same as one that looks at all.
func TestQueryLooksAtTheNearest(t *testing.T) {
	s, err := Open("db", Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Create(ctx, "c", Config{Vectors: map[string]VectorConfig{"": {Size: 8}}}); err != nil {
		t.Fatal(err)
	}
	c, _ := s.Collection("c")
	var pts []point.Point
	for i, x := range rows(6000, 8, 5) {
		pts = append(pts, point.Point{ID: point.Num(uint64(i)), Vectors: point.Vectors{"": point.Dense(x)}, Payload: point.Payload{"n": int64(i)}})
	}
	if _, err := c.Apply(ctx, []Op{Upsert{Points: pts}}, false); err != nil {
		t.Fatal(err)
	}
	for _, q := range rows(5, 8, 6) {
		x := point.Dense(q)
		for _, below := range []float64{3000, 600, 60, 6, 0} { // 50 % … 0.1 %, and none
			query := Query{Ask: Nearest{To: Input{Vector: &x}}, Filter: &filter.Filter{Must: []filter.Condition{filter.Field{Key: filter.Key("n"), Test: filter.Range{Lt: &below}}}}}
			open, err := c.Query(ctx, query)
			if err != nil {
				t.Fatal(err)
			}
			var ids filter.HasID
			for i := range int(below) {
				ids = append(ids, point.Num(uint64(i)))
			}
			query.Filter = &filter.Filter{Must: []filter.Condition{ids}}
			decided, err := c.Query(ctx, query)
			if err != nil {
				t.Fatal(err)
			}
			if len(open) != min(10, int(below)) || !slices.EqualFunc(open, decided, func(a, b Hit) bool { return a.ID == b.ID && a.Score == b.Score }) {
				t.Errorf("of those below %v: %v, want %v", below, open, decided)
			}
		}
	}
}

// A reader of an older version is answered by the payloads of that version, whatever the indexes have by now.
func TestQueryOldVersion(t *testing.T) {
	s, err := Open("db", Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Create(ctx, "c", Config{}); err != nil {
		t.Fatal(err)
	}
	c, _ := s.Collection("c")
	for field, kind := range map[string]string{"n": "integer", "tag": "keyword"} {
		if err := c.CreateFieldIndex(ctx, field, filter.Schema{Type: kind}); err != nil {
			t.Fatal(err)
		}
	}
	put := func(sign int64) {
		var ops []Op
		for i := range int64(20) {
			p := point.Payload{"n": sign * i, "tag": fmt.Sprint("t", sign)}
			id := point.Num(uint64(i))
			if sign < 0 {
				ops = append(ops, OverwritePayload{Selector{IDs: []point.ID{id}}, p})
			} else {
				ops = append(ops, Upsert{Points: []point.Point{{ID: id, Payload: p}}})
			}
		}
		if _, err := c.Apply(ctx, ops, false); err != nil {
			t.Fatal(err)
		}
	}
	put(1)
	old, err := c.view()
	if err != nil {
		t.Fatal(err)
	}
	defer old.release()
	put(-1)
	now, err := c.view()
	if err != nil {
		t.Fatal(err)
	}
	defer now.release()
	zero := 0.0
	for v, want := range map[*view][3]int{old: {19, 0, 0}, now: {0, 19, 19}} {
		above, _ := v.matching(ctx, &filter.Filter{Must: []filter.Condition{filter.Field{Key: filter.Key("n"), Test: filter.Range{Gt: &zero}}}})
		below, _ := v.matching(ctx, &filter.Filter{Must: []filter.Condition{filter.Field{Key: filter.Key("n"), Test: filter.Range{Lt: &zero}}}})
		sel, _ := v.selectBy(nil)
		order, err := v.byField(ctx, sel, OrderBy{Key: "n"}, 20)
		if err != nil || len(order.hits) != 20 {
			t.Fatal(order, err)
		}
		first, _ := v.ids[order.hits[0].slot].Number()
		if got := [3]int{int(above.GetCardinality()), int(below.GetCardinality()), int(first)}; got != want {
			t.Errorf("version %d: above, below 0 and first %v, want %v", v.version, got, want)
		}
		tag := "t1"
		if v == now {
			tag = "t-1"
		}
		if facets, err := v.facet(ctx, "tag", nil, 0, true); err != nil || !slices.Equal(facets, []Facet{{tag, 20}}) {
			t.Errorf("version %d: facets %v, want 20 of %s, %v", v.version, facets, tag, err)
		}
	}
}

// Readers beside a writer see each batch whole or not at all, whatever the indexes have by then: of points that are always
// written together, a filter, a count, an order and facets find all or none.
func TestQueryBesideWrites(t *testing.T) {
	s, err := Open("db", Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Create(ctx, "c", Config{}); err != nil {
		t.Fatal(err)
	}
	c, _ := s.Collection("c")
	if err := c.CreateFieldIndex(ctx, "n", filter.Schema{Type: "integer"}); err != nil {
		t.Fatal(err)
	}
	const points, batches = 20, 300
	var written atomic.Int64
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range int64(batches) {
			var ops []Op
			for id := range uint64(points) {
				if p := (point.Payload{"n": i}); i%3 == 0 {
					ops = append(ops, Upsert{Points: []point.Point{{ID: point.Num(id), Payload: p}}})
				} else {
					ops = append(ops, OverwritePayload{Selector{IDs: []point.ID{point.Num(id)}}, p})
				}
			}
			if _, err := c.Apply(ctx, ops, false); err != nil {
				t.Error(err)
			}
			written.Store(i)
		}
	})
	for range 3 {
		wg.Go(func() {
			for written.Load() < batches-1 && !t.Failed() {
				at := float64(written.Load())
				f := &filter.Filter{Must: []filter.Condition{filter.Field{Key: filter.Key("n"), Test: filter.Range{Gte: &at, Lte: &at}}}}
				n, err1 := c.Count(ctx, f, true)
				hits, err2 := c.Query(ctx, Query{Filter: f, Limit: 100, WithPayload: Select{All: true}})
				order, err3 := c.Query(ctx, Query{Ask: OrderBy{Key: "n"}, Limit: 100, WithPayload: Select{All: true}})
				facets, err4 := c.Facet(ctx, "n", nil, 0, true)
				if err := errors.Join(err1, err2, err3, err4); err != nil {
					t.Error(err)
				}
				if n%points != 0 || len(hits)%points != 0 || len(order)%points != 0 {
					t.Errorf("a count of %d, %d hits, %d in order: want %d, or none", n, len(hits), len(order), points)
				}
				for _, h := range hits {
					if h.Payload["n"] != int64(at) {
						t.Errorf("a hit of n = %v has %v", at, h.Payload)
					}
				}
				for _, h := range order {
					if h.Payload["n"] != order[0].Order || h.Order != order[0].Order {
						t.Errorf("in order by %v, and has %v, beside %v", h.Order, h.Payload, order[0].Order)
					}
				}
				if len(facets) > 1 || len(facets) == 1 && facets[0].Count != points {
					t.Errorf("facets %v", facets)
				}
			}
		})
	}
	wg.Wait()
}

func TestDistanceMatrix(t *testing.T) {
	s, err := Open("db", Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Create(ctx, "c", Config{Vectors: map[string]VectorConfig{"": {Size: 1, Distance: vec.Euclidean}}}); err != nil {
		t.Fatal(err)
	}
	c, _ := s.Collection("c")
	at := []float32{0, 1, 3, 7}
	for i, x := range at {
		if _, err := c.Apply(ctx, []Op{Upsert{Points: []point.Point{{ID: point.Num(uint64(i)), Vectors: point.Vectors{"": point.Dense([]float32{x})}}}}}, false); err != nil {
			t.Fatal(err)
		}
	}
	m, err := c.DistanceMatrix(ctx, MatrixQuery{Sample: 10, Limit: 2})
	if err != nil {
		t.Fatal(err)
	}
	want := [][]Edge{{{1, 1}, {2, 3}}, {{0, 1}, {2, 2}}, {{1, 2}, {0, 3}}, {{2, 4}, {1, 6}}}
	if fmt.Sprint(m.Near) != fmt.Sprint(want) || len(m.IDs) != 4 {
		t.Errorf("%v, want %v", m.Near, want)
	}
	if m, err := c.DistanceMatrix(ctx, MatrixQuery{Sample: 2, Limit: 5}); err != nil || len(m.IDs) != 2 || len(m.Near[0]) != 1 {
		t.Error(m, err)
	}
}

func TestLookupFromAnotherCollection(t *testing.T) {
	s, err := Open("db", Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, name := range []string{"a", "b"} {
		if err := s.Create(ctx, name, Config{Vectors: map[string]VectorConfig{"v": {Size: 2, Distance: vec.InnerProduct}}}); err != nil {
			t.Fatal(err)
		}
		c, _ := s.Collection(name)
		for i := range uint64(4) {
			x := []float32{float32(i), 1}
			if name == "b" {
				x = []float32{-float32(i), 0}
			}
			p := point.Point{ID: point.Num(i), Vectors: point.Vectors{"v": point.Dense(x)}, Payload: point.Payload{"of": int64(i % 2)}}
			if _, err := c.Apply(ctx, []Op{Upsert{Points: []point.Point{p}}}, false); err != nil {
				t.Fatal(err)
			}
		}
	}
	c, _ := s.Collection("a")
	three := point.Num(3)
	q := Query{Ask: Nearest{To: Input{ID: &three}}, Using: "v", LookupFrom: &Lookup{Collection: "b"}, Limit: 4}
	hits, err := c.Query(ctx, q)
	if err != nil || len(hits) != 4 || hits[0].ID != point.Num(0) || hits[3].Score != -9 { // point 3 of this collection is one of them
		t.Error(hits, err)
	}
	groups, err := c.QueryGroups(ctx, q, GroupBy{Key: "of", Lookup: "b", WithPayload: Select{All: true}})
	if err != nil || len(groups) != 2 || groups[0].Lookup == nil || groups[0].Lookup.ID != point.Num(0) || groups[0].Lookup.Payload["of"] != int64(0) {
		t.Errorf("%+v, %v", groups, err)
	}
}
