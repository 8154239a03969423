package collection

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/latent-go/latent/collection/filter"
	"github.com/latent-go/latent/collection/point"
	"github.com/latent-go/latent/vec"
)

// plain is what a collection should hold: a plain map.
type plain map[point.ID]point.Point

func (m plain) clone() plain { return maps.Clone(m) } // points are replaced, never changed

func (m plain) ids() []point.ID {
	return slices.SortedFunc(maps.Keys(m), point.ID.Compare)
}

func (m plain) selected(s Selector) []point.ID {
	if s.IDs != nil {
		return slices.DeleteFunc(slices.Clone(s.IDs), func(id point.ID) bool { _, ok := m[id]; return !ok })
	}
	var out []point.ID
	for _, id := range m.ids() {
		p := m[id]
		if s.Filter.Match(&p) {
			out = append(out, id)
		}
	}
	return out
}

// copied is a payload that shares nothing with p.
func copied(p point.Payload) point.Payload {
	b, err := point.AppendJSON(nil, map[string]any(p))
	if err != nil {
		panic(err)
	}
	var out point.Payload
	if err := out.UnmarshalJSON(b); err != nil {
		panic(err)
	}
	return out
}

// apply is what an operation means; false if it is refused.
func (m plain) apply(op Op) bool {
	edit := func(s Selector, must bool, f func(p *point.Point)) bool {
		ids := m.selected(s)
		if must && s.IDs != nil && len(ids) < len(s.IDs) {
			return false
		}
		for _, id := range ids {
			p := m[id]
			p.Payload, p.Vectors = copied(p.Payload), maps.Clone(p.Vectors)
			f(&p)
			m[id] = p
		}
		return true
	}
	switch op := op.(type) {
	case Upsert:
		for _, p := range op.Points {
			if _, ok := m[p.ID]; ok && op.Mode == InsertOnly || !ok && op.Mode == UpdateOnly {
				continue
			}
			m[p.ID] = point.Point{ID: p.ID, Vectors: maps.Clone(p.Vectors), Payload: copied(p.Payload)}
		}
	case Delete:
		for _, id := range m.selected(op.Selector) {
			delete(m, id)
		}
	case SetVectors:
		for _, p := range op.Points {
			if _, ok := m[p.ID]; !ok {
				return false
			}
			edit(Selector{IDs: []point.ID{p.ID}}, false, func(q *point.Point) { maps.Copy(q.Vectors, p.Vectors) })
		}
	case DeleteVectors:
		return edit(op.Selector, false, func(p *point.Point) {
			for _, name := range op.Names {
				delete(p.Vectors, name)
			}
		})
	case SetPayload:
		return edit(op.Selector, true, func(p *point.Point) {
			var path filter.Path
			if op.Key != "" {
				path = filter.Key(op.Key)
			}
			path.Set(p.Payload, copied(op.Payload))
		})
	case OverwritePayload:
		return edit(op.Selector, true, func(p *point.Point) { p.Payload = copied(op.Payload) })
	case DeletePayload:
		return edit(op.Selector, true, func(p *point.Point) {
			for _, key := range op.Keys {
				filter.Key(key).Remove(p.Payload)
			}
		})
	case ClearPayload:
		return edit(op.Selector, false, func(p *point.Point) { p.Payload = nil })
	}
	return true
}

var modelConfig = Config{
	Vectors: map[string]VectorConfig{"a": {Size: 3, Distance: vec.Euclidean, M: 4, EfConstruction: 16}, "m": {Size: 2, Distance: vec.InnerProduct, Multi: true}},
	Sparse:  map[string]SparseConfig{"s": {}},
}

// choices make what the tests need, from one source of choices.
type choices struct{ n func(n int) int } // 0 to n-1

func (d choices) id() point.ID {
	if i := d.n(24); i < 18 {
		return point.Num(uint64(i))
	} else {
		return point.UUID([16]byte{byte(i)})
	}
}

func (d choices) ids() []point.ID {
	ids := make([]point.ID, 1+d.n(4))
	for i := range ids {
		ids[i] = d.id()
	}
	return ids
}

func (d choices) floats(n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(d.n(9) - 4)
	}
	return v
}

func (d choices) vectors(extra bool) point.Vectors {
	vs := point.Vectors{}
	if d.n(4) > 0 {
		vs["a"] = point.Dense(d.floats(3))
	}
	if d.n(3) == 0 {
		var rows [][]float32
		for range 1 + d.n(3) {
			rows = append(rows, d.floats(2))
		}
		vs["m"] = point.Multi(rows)
	}
	if d.n(3) == 0 {
		vs["s"] = point.Vector{Sparse: &point.Sparse{Indices: []uint32{uint32(d.n(3)), 3 + uint32(d.n(3))}, Values: d.floats(2)}}
	}
	if extra && d.n(2) == 0 {
		vs["x"] = point.Dense(d.floats(2))
	}
	return vs
}

func (d choices) payload() point.Payload {
	p := point.Payload{}
	if d.n(3) > 0 {
		p["k"] = int64(d.n(4))
	}
	if d.n(2) > 0 {
		p["t"] = []any{fmt.Sprint("w", d.n(3)), "all"}
	}
	if d.n(3) == 0 {
		p["o"] = map[string]any{"f": float64(d.n(5)), "b": d.n(2) == 0}
	}
	return p
}

func (d choices) filter() *filter.Filter {
	text := []string{
		`{"must":[{"key":"k","match":{"value":1}}]}`,
		`{"must":[{"key":"t","match":{"value":"w1"}}]}`,
		`{"must_not":[{"key":"k","range":{"gte":2}}]}`,
		`{"should":[{"key":"k","match":{"value":0}},{"is_empty":{"key":"t"}}]}`,
		`{"must":[{"has_vector":"a"}]}`,
		`{"must":[{"has_id":[1,2,3,4,5]}]}`,
		`{"must":[{"key":"o.f","range":{"lt":3}}]}`,
	}[d.n(7)]
	f := new(filter.Filter)
	if err := json.Unmarshal([]byte(text), f); err != nil {
		panic(err)
	}
	return f
}

func (d choices) selector() Selector {
	if d.n(3) == 0 {
		return Selector{Filter: d.filter()}
	}
	return Selector{IDs: d.ids()}
}

func (d choices) op(extra bool) Op {
	switch d.n(12) {
	case 0:
		return Delete{d.selector()}
	case 1:
		return SetVectors{Points: []point.Point{{ID: d.id(), Vectors: d.vectors(extra)}}}
	case 2:
		return DeleteVectors{d.selector(), []string{[]string{"a", "m", "s"}[d.n(3)]}}
	case 3:
		return SetPayload{d.selector(), d.payload(), []string{"", "", "o", "o.deep", "t[]"}[d.n(5)]}
	case 4:
		return OverwritePayload{d.selector(), d.payload()}
	case 5:
		return DeletePayload{d.selector(), []string{[]string{"k", "o.f", "t[]", "t"}[d.n(4)]}}
	case 6:
		return ClearPayload{d.selector()}
	}
	var pts []point.Point
	for _, id := range d.ids() {
		pts = append(pts, point.Point{ID: id, Vectors: d.vectors(extra), Payload: d.payload()})
	}
	return Upsert{Points: pts, Mode: Mode(max(0, d.n(6)-3))}
}

// agree fails the test where a collection is not what the model says.
func agree(t rapid.TB, c *Collection, m plain, extra bool, d choices) {
	t.Helper()
	ids := m.ids()
	hits, err := c.Get(ctx, append(slices.Clone(ids), point.Num(1<<40)), Select{All: true}, Select{All: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(hits) != len(ids) {
		t.Fatalf("%d of %d points are there", len(hits), len(ids))
	}
	for i, h := range hits {
		if got, want := asJSON(h.Point), asJSON(m[ids[i]]); got != want {
			t.Fatalf("point %s is\n%s, want\n%s", ids[i], got, want)
		}
	}
	v, err := c.view()
	if err != nil {
		t.Fatal(err)
	}
	defer v.release()
	if n := int(v.live.GetCardinality()); n != len(m) {
		t.Fatalf("%d slots are live, of %d points", n, len(m))
	}
	f := d.filter()
	slots, err := v.matching(ctx, f)
	if err != nil {
		t.Fatal(err)
	}
	var found []point.ID
	for it := slots.Iterator(); it.HasNext(); {
		found = append(found, v.id(it.Next()))
	}
	slices.SortFunc(found, point.ID.Compare)
	if want := m.selected(Selector{Filter: f}); !slices.Equal(found, want) {
		t.Fatalf("filter %v lets through %v, want %v", f, found, want)
	}
	q := d.floats(3)
	near, err := v.nearest(ctx, "a", point.Dense(q), 5, Params{}, slots)
	if err != nil {
		t.Fatal(err)
	}
	var want []float64
	for _, id := range found {
		if x, ok := m[id].Vectors["a"]; ok {
			want = append(want, math.Sqrt(float64(vec.SquaredL2(q, x.Dense))))
		}
	}
	slices.Sort(want)
	if want = want[:min(5, len(want))]; len(want) != len(near) {
		t.Fatalf("%d hits, want %d", len(near), len(want))
	}
	for i, h := range near {
		if math.Abs(float64(h.score)-want[i]) > 1e-5 {
			t.Fatalf("hit %d has the distance %v, want %v", i, h.score, want[i])
		}
	}
	multi := d.floats(2)
	near, err = v.nearest(ctx, "m", point.Multi([][]float32{multi, {1, 0}}), 3, Params{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want = want[:0]
	for _, p := range m {
		if x, ok := p.Vectors["m"]; ok {
			sum := 0.0
			for _, a := range [][]float32{multi, {1, 0}} {
				best := math.Inf(-1)
				for _, b := range x.Multi {
					best = max(best, float64(vec.Dot(a, b)))
				}
				sum += best
			}
			want = append(want, sum)
		}
	}
	slices.Sort(want)
	slices.Reverse(want)
	for i := range min(3, len(want)) {
		if i >= len(near) || math.Abs(float64(near[i].score)-want[i]) > 1e-5 {
			t.Fatalf("MaxSim gives %v, want %v", near, want[:min(3, len(want))])
		}
	}
}

func asJSON(p point.Point) string {
	b, err := json.Marshal(struct {
		V map[string]point.Vector
		P point.Payload
	}{p.Vectors, copied(p.Payload)})
	if err != nil {
		panic(err)
	}
	return string(b)
}

// healthy fails the test if Check finds fault with the store.
func healthy(t rapid.TB, s *Store) {
	t.Helper()
	r, err := s.Check(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range r.Problems {
		t.Errorf("check: %s", p)
	}
	if t.Failed() {
		t.FailNow()
	}
}

// smallIndexes lets graphs come with few points.
func smallIndexes(t *testing.T) {
	a, b := indexFrom, indexFromNumbers
	t.Cleanup(func() { indexFrom, indexFromNumbers = a, b })
	indexFrom, indexFromNumbers = 8, 8
}

func TestModel(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	smallIndexes(t)
	rapid.Check(t, func(t *rapid.T) {
		d := choices{func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "n") }}
		fs := vfs.NewCrashableMem()
		o := Options{FS: fs, Still: true, FlushInterval: 1 << 40}
		s, err := Open("db", o)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { s.Close() }()
		if err := s.Create(ctx, "c", modelConfig); err != nil {
			t.Fatal(err)
		}
		open := func() *Collection {
			c, err := s.Collection("c")
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		c, m, extra := open(), plain{}, false
		type moment struct {
			m     plain
			extra bool
		}
		history := map[uint64]plain{0: m.clone()}
		durable := uint64(0) // version
		var saved []byte     // snapshot
		var savedAs moment
		ops := 30
		for range ops {
			switch what := d.n(24); what {
			case 0: // an orderly restart
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				if s, err = Open("db", o); err != nil {
					t.Fatal(err)
				}
				c = open()
				durable = c.version
			case 1, 2: // the power goes
				fs = fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50 * d.n(3), RNG: rand.New(rand.NewPCG(uint64(d.n(1000)), 1))})
				s.Close()
				o.FS = fs
				if s, err = Open("db", o); err != nil {
					t.Fatal(err)
				}
				c = open()
				if c.version < durable {
					t.Fatalf("version %d was on disk, now it is %d", durable, c.version)
				}
				before, ok := history[c.version]
				if !ok {
					t.Fatalf("version %d never was", c.version)
				}
				m, durable = before.clone(), c.version
				maps.DeleteFunc(history, func(v uint64, _ plain) bool { return v > c.version })
			case 3: // what the background does
				if err := c.tend(ctx, true); err != nil {
					t.Fatal(err)
				}
			case 4:
				was := c.settings
				if err := c.CreateFieldIndex(ctx, []string{"k", "t", "o.f"}[d.n(3)], filter.Schema{Type: []string{"integer", "keyword", "float"}[d.n(3)]}); err != nil {
					t.Fatal(err)
				}
				if c.settings != was {
					durable = c.version // a sync is one of all before
				}
			case 5:
				if err := c.DropFieldIndex(ctx, []string{"k", "t", "o.f"}[d.n(3)]); err != nil {
					t.Fatal(err)
				}
			case 6: // a name comes or goes
				if extra {
					err = c.DropVector(ctx, "x")
					for id, p := range m {
						p.Vectors = maps.Clone(p.Vectors)
						delete(p.Vectors, "x")
						m[id] = p
					}
				} else {
					err = c.AddVector(ctx, "x", VectorConfig{Size: 2, Distance: vec.Manhattan})
				}
				if err != nil {
					t.Fatal(err)
				}
				extra, durable = !extra, c.version
				history = map[uint64]plain{c.version: m.clone()}
			case 7: // a snapshot
				in, err := c.Snapshot(ctx)
				if err != nil {
					t.Fatal(err)
				}
				r, err := c.OpenSnapshot(in.Name)
				if err != nil {
					t.Fatal(err)
				}
				if saved, err = io.ReadAll(r); err != nil || r.Close() != nil {
					t.Fatal(err)
				}
				if err := c.DeleteSnapshot(in.Name); err != nil {
					t.Fatal(err)
				}
				savedAs, durable = moment{m.clone(), extra}, c.version
			case 8: // and back
				if saved == nil {
					continue
				}
				if err := s.Restore(ctx, "c", bytes.NewReader(saved), ""); err != nil {
					t.Fatal(err)
				}
				c = open()
				m, extra, durable = savedAs.m.clone(), savedAs.extra, c.version
				history = map[uint64]plain{c.version: m.clone()}
			default:
				batch := []Op{d.op(extra)}
				for d.n(3) == 0 {
					batch = append(batch, d.op(extra))
				}
				next, ok := m.clone(), true
				for _, op := range batch {
					ok = ok && next.apply(op)
				}
				wait := d.n(2) == 0
				v, err := c.Apply(ctx, batch, wait)
				if ok != (err == nil) || err != nil && !errors.Is(err, ErrNotFound) {
					t.Fatalf("%+v: %v, want it done: %v", batch, err, ok)
				}
				if ok {
					m = next
					history[v] = m.clone()
					if wait {
						durable = v
					}
				}
			}
			agree(t, c, m, extra, d)
		}
		healthy(t, s)
	})
}
