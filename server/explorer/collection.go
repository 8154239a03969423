package explorer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/latent-go/latent/collection"
	"github.com/latent-go/latent/collection/filter"
	"github.com/latent-go/latent/collection/point"
	"github.com/latent-go/latent/measure/dimension"
	"github.com/latent-go/latent/measure/findings"
	"github.com/latent-go/latent/measure/shape"
	"github.com/latent-go/latent/plan"
	"github.com/latent-go/latent/plan/trials"
	"github.com/latent-go/latent/report"
	"github.com/latent-go/latent/server/wire"
	"github.com/latent-go/latent/vec"
)

// The analyses of a vector, as jobs.
const (
	measuring = "measure"
	recalling = "recall"
	tuning    = "tune"
	asking    = "dimension" // never run here: the dimension that somebody had measured by the API
)

const (
	sampled = 2000 // points that a collection is measured and drawn by: enough for the dimension, a second of work
	asked   = 100  // searches that recall is measured by
)

// vectorFacts are what is known of a vector without measuring.
type vectorFacts struct {
	Name, Distance, Plan string
	Size                 int // 0 for a sparse one
	Multi                bool
	Effort               int
}

// vectorsOf lists the vectors of a collection, dense ones first, by name.
func vectorsOf(col *collection.Collection, info collection.Info) (out []vectorFacts) {
	cfg := col.Config()
	for _, name := range slices.Sorted(maps.Keys(cfg.Vectors)) {
		v := cfg.Vectors[name]
		out = append(out, vectorFacts{name, wire.DistanceName(v.Distance), info.Plans[name], v.Size, v.Multi, v.Effort})
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Sparse)) {
		out = append(out, vectorFacts{Name: name, Distance: "sparse, inner product", Plan: "postings"})
	}
	return out
}

// vectorReport is what the page of a collection tells of one vector.
type vectorReport struct {
	vectorFacts
	Facts    []report.Fact
	Jobs     []jobState // under way, or gone wrong
	Measured string     // when, and of what
	Asked    string     // the same, if the dimension is from the API
	Sections []report.Section
	Recall   *collection.RecallReport
	RecallAt string
	Tuned    string // when, and what came of it
	Trials   *report.Section
}

// jobState is a job as a page tells it.
type jobState struct {
	What, Stage string
	Running     bool
	Done, Total int
	Err         string
}

// measured is the result of measuring.
type measured struct {
	Points int // drawn
	Dim    *dimension.Report
	Shape  *shape.Report
	Fields []fieldFacts
}

func showCollection(v *visit) error {
	col, info, err := v.open()
	if err != nil {
		return err
	}
	v.jobs.prune(func(c *collection.Collection) bool {
		now, err := v.store.Collection(c.Name())
		return err == nil && now == c
	})
	about := struct {
		Info    collection.Info
		Vectors []vectorReport
		Fields  []fieldFacts
		Of      int // points that the fields were counted in
		Running bool
	}{Info: info}
	for _, facts := range vectorsOf(col, info) {
		r := v.reportOf(col, info, facts)
		about.Running = about.Running || slices.ContainsFunc(r.Jobs, func(j jobState) bool { return j.Running })
		about.Vectors = append(about.Vectors, r)
		if m, ok := v.jobs.get(col, facts.Name, measuring).result.(*measured); ok && about.Of == 0 {
			about.Fields, about.Of = m.Fields, m.Points
		}
	}
	about.Fields = indexed(about.Fields, col, info)
	return v.show(http.StatusOK, "collection", col.Name(), col, about)
}

// reportOf tells what was found out about a vector, and has it measured if it was not.
func (v *visit) reportOf(col *collection.Collection, info collection.Info, facts vectorFacts) vectorReport {
	r := vectorReport{vectorFacts: facts}
	if facts.Size == 0 {
		return r
	}
	states := map[string]job{}
	for kind, empty := range map[string]any{measuring: new(measured), recalling: new(collection.RecallReport), tuning: new(collection.TuneReport), asking: new(dimension.Report)} {
		states[kind] = v.jobs.remember(col, facts.Name, kind, empty)
		if (kind == measuring || kind == recalling) && states[kind].col == nil && info.Points > 0 {
			v.run(col, facts.Name, kind, 0)
			states[kind] = v.jobs.get(col, facts.Name, kind)
		}
	}
	r.Facts = []report.Fact{{Name: "numbers in each", Value: strconv.Itoa(facts.Size)}}
	for _, kind := range []string{measuring, recalling, tuning} {
		if j := states[kind]; j.running {
			r.Jobs = append(r.Jobs, jobState{What: kind, Stage: j.stage, Running: true, Done: j.done, Total: j.total})
		} else if j.err != nil && !errors.Is(j.err, context.Canceled) {
			r.Jobs = append(r.Jobs, jobState{What: kind, Err: wire.Of(j.err).Error()})
		}
	}
	m, _ := states[measuring].result.(*measured)
	var dim *dimension.Report
	if m != nil {
		dim = m.Dim
		r.Measured = fmt.Sprintf("%s, on %s of %s points", since(states[measuring], info), count(m.Points), count(states[measuring].points))
	}
	if d, ok := states[asking].result.(*dimension.Report); ok && states[asking].ended.After(states[measuring].ended) {
		dim = d
		r.Asked = fmt.Sprintf("%s, on %s vectors of %s points", since(states[asking], info), count(d.Sampled), count(states[asking].points))
	}
	if dim != nil {
		r.Facts = append(r.Facts, findings.Fact(dim))
		r.Sections = append(r.Sections, findings.Dimension(dim))
		if dim.Spectrum != nil {
			r.Sections = append(r.Sections, findings.Spectrum(dim.Spectrum))
		}
	}
	if m != nil {
		if h := m.Shape.Hubness; h != nil {
			note := "none stands out"
			if h.Skewness > 1.4 {
				note = "a few are neighbours of very many"
			}
			r.Facts = append(r.Facts, report.Fact{Name: "hubness", Value: fmt.Sprintf("%.2f", h.Skewness), Note: note})
		}
		r.Sections = append(r.Sections, findings.Shape(m.Shape))
	}
	if rec, ok := states[recalling].result.(*collection.RecallReport); ok {
		r.Recall, r.RecallAt = rec, since(states[recalling], info)
		f := report.Fact{Name: fmt.Sprintf("recall@%d", rec.K), Value: fmt.Sprintf("%.3f", rec.Mean), Note: fmt.Sprintf("%.3f to %.3f", rec.Lo, rec.Hi)}
		if rec.Scans {
			f.Note = "all vectors are compared"
		}
		r.Facts = append(r.Facts, f)
	}
	if t, ok := states[tuning].result.(*collection.TuneReport); ok {
		r.Tuned = "Tuned " + since(states[tuning], info) + ": "
		switch chosen := t.Chosen.String(); {
		case t.Applied:
			r.Tuned += chosen + " was chosen, and is in force."
		case states[tuning].err == nil && col.Config().Vectors[facts.Name].Plan == chosen:
			r.Tuned += chosen + " was chosen. It comes into force with an index; until there are more points all of them are compared."
		default:
			r.Tuned += "nothing was changed."
		}
		if t.Report != nil && len(t.Report.Trials) > 0 {
			s := trials.Section(t.Report)
			r.Trials = &s
		}
	}
	return r
}

// since says how old a result is.
func since(j job, info collection.Info) string {
	s := ago(j.ended)
	if info.Version > j.version {
		s += fmt.Sprintf(", %s writes since", count(int(info.Version-j.version)))
	}
	return s
}

// again is the button that runs a job.
func again(kind string) func(*visit) error {
	return func(v *visit) error {
		col, info, err := v.open()
		if err != nil {
			return err
		}
		if err := v.ParseForm(); err != nil {
			return wire.Errorf(wire.BadInput, "the form cannot be read: %v", err)
		}
		name := v.PostForm.Get("using")
		if _, ok := col.Config().Vectors[name]; !ok {
			return wire.Errorf(wire.BadInput, "%.100q is no dense vector of %s", name, col.Name())
		}
		target := 0.0
		if kind == tuning {
			if target, err = strconv.ParseFloat(v.PostForm.Get("recall"), 64); err != nil || !(target > 0 && target <= 1) {
				return wire.Errorf(wire.BadInput, "a recall of %.20q cannot be reached: want more than 0 and at most 1, such as 0.95", v.PostForm.Get("recall"))
			}
		}
		if info.Points == 0 {
			return wire.Errorf(wire.BadInput, "%s has no points to %s", col.Name(), kind)
		}
		v.run(col, name, kind, target)
		v.see(at(col.Name()))
		return nil
	}
}

// run starts a job.
func (e *Explorer) run(col *collection.Collection, vector, kind string, target float64) {
	e.jobs.start(col, vector, kind, func(ctx context.Context, p progress) (any, error) {
		switch kind {
		case recalling:
			r, err := col.Recall(ctx, collection.RecallQuery{Using: vector, Sample: asked, Seed: uint64(time.Now().UnixNano()), Progress: p("searching, and exactly")})
			return orNil(r), err
		case tuning:
			p("trying plans")
			q := collection.TuneQuery{Using: vector, Target: plan.Target{Recall: target}}
			q.Target.Progress = func(step string, done, total int) { p(step)(done, total) }
			t, err := col.Tune(ctx, q)
			return orNil(t), err
		}
		m, err := measure(ctx, col, vector, p)
		return orNil(m), err
	})
}

// orNil makes a nil pointer a nil any.
func orNil[T any](p *T) any {
	if p == nil {
		return nil
	}
	return p
}

// Tuned tells the pages what a tuning elsewhere has tried, to be shown.
func (e *Explorer) Tuned(col *collection.Collection, vector string, r *collection.TuneReport, err error) {
	if r != nil {
		e.jobs.put(col, vector, tuning, r, err)
	}
}

// Measured tells the pages what dimension was measured elsewhere, of points drawn from all.
func (e *Explorer) Measured(col *collection.Collection, vector string, r *dimension.Report) {
	e.jobs.put(col, vector, asking, r, nil)
}

// Recalled tells the pages what recall was measured elsewhere, of the collection's own points and searches as they are.
func (e *Explorer) Recalled(col *collection.Collection, vector string, r *collection.RecallReport) {
	e.jobs.put(col, vector, recalling, r, nil)
}

func measure(ctx context.Context, col *collection.Collection, vector string, p progress) (*measured, error) {
	p("drawing points")
	hits, err := draw(ctx, col, vector, nil, sampled)
	if err != nil {
		return nil, err
	}
	m := &measured{Points: len(hits), Fields: fieldsOf(hits)}
	x := rows(hits, vector, false)
	if m.Dim, err = dimension.Measure(ctx, x, dimension.Options{Sample: sampled, Progress: p("dimension")}); err != nil {
		return nil, err
	}
	metric := col.Config().Vectors[vector].Distance
	if m.Shape, err = shape.Measure(ctx, x, shape.Options{Sample: sampled, Metric: metric, Progress: p("hubness")}); err != nil {
		return nil, err
	}
	return m, nil
}

// draw returns points that have a vector, drawn at random but the same each time, with it and their payload.
func draw(ctx context.Context, col *collection.Collection, vector string, f *filter.Filter, n int) ([]collection.Hit, error) {
	has := &filter.Filter{Must: []filter.Condition{filter.HasVector(vector)}}
	if f != nil {
		has.Must = append(has.Must, f)
	}
	return col.Query(ctx, collection.Query{Ask: collection.Sample{Seed: 1}, Filter: has, Limit: n,
		WithPayload: collection.Select{All: true}, WithVector: collection.Select{Include: []string{vector}}})
}

// rows are the dense vectors of hits; of several a point all, or their mean.
func rows(hits []collection.Hit, vector string, mean bool) vec.Matrix {
	var all [][]float32
	for _, h := range hits {
		switch v := h.Vectors[vector]; {
		case v.Multi == nil:
			all = append(all, v.Dense)
		case mean:
			m := make([]float32, len(v.Multi[0]))
			for _, row := range v.Multi {
				for i, x := range row {
					m[i] += x / float32(len(v.Multi))
				}
			}
			all = append(all, m)
		default:
			all = append(all, v.Multi...)
		}
	}
	m, err := vec.FromRows(all)
	if err != nil { // a collection's vectors have one dimension
		panic(err)
	}
	return m
}

// fieldFacts are what is known of a field of the payload.
type fieldFacts struct {
	Path, Types string
	Points      int    // of the sample
	Index       string // its type; "" for none
	Indexed     int    // points of the collection in the index
	Example     string
}

// fieldsOf counts the fields in payloads, those within objects by their path.
func fieldsOf(hits []collection.Hit) []fieldFacts {
	const most = 200
	found := map[string]*fieldFacts{}
	types := map[string]map[string]bool{}
	var look func(prefix string, m map[string]any, depth int)
	look = func(prefix string, m map[string]any, depth int) {
		for key, value := range m {
			path := prefix + key
			f := found[path]
			if f == nil {
				if len(found) >= most {
					continue
				}
				f = &fieldFacts{Path: path, Example: short(value, 60)}
				found[path], types[path] = f, map[string]bool{}
			}
			f.Points++
			types[path][typeOf(value)] = true
			if inner, ok := value.(map[string]any); ok && depth < 3 {
				look(path+".", inner, depth+1)
			}
		}
	}
	for _, h := range hits {
		look("", h.Payload, 0)
	}
	var out []fieldFacts
	for path, f := range found {
		for i, t := range slices.Sorted(maps.Keys(types[path])) {
			if i > 0 {
				f.Types += ", "
			}
			f.Types += t
		}
		out = append(out, *f)
	}
	slices.SortFunc(out, func(a, b fieldFacts) int { return cmp.Compare(a.Path, b.Path) })
	return out
}

// indexed adds what is known of payload indexes.
func indexed(fields []fieldFacts, col *collection.Collection, info collection.Info) []fieldFacts {
	fields = slices.Clone(fields)
	schemas := col.Fields()
	for _, path := range slices.Sorted(maps.Keys(schemas)) {
		i := slices.IndexFunc(fields, func(f fieldFacts) bool { return f.Path == path })
		if i < 0 {
			fields, i = append(fields, fieldFacts{Path: path}), len(fields)
		}
		fields[i].Index, fields[i].Indexed = schemas[path].Type, info.Fields[path].Points
	}
	return fields
}

func typeOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "bool"
	case int64:
		return "integer"
	case float64:
		return "float"
	case string:
		return "string"
	case []any:
		if len(v) == 0 {
			return "list"
		}
		return "list of " + typeOf(v[0])
	}
	return "object"
}

// noPoint says that a point is not there.
func noPoint(id point.ID) error { return wire.Errorf(wire.NotFound, "there is no point %s", id) }
