package server

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/latent-go/latent/collection"
	"github.com/latent-go/latent/collection/filter"
	"github.com/latent-go/latent/collection/point"
	"github.com/latent-go/latent/measure/dimension"
	"github.com/latent-go/latent/measure/similarity"
	"github.com/latent-go/latent/plan"
	"github.com/latent-go/latent/server/wire"
)

// filtering reads a filter within a body of /latent.
func filtering(raw json.RawMessage) (*filter.Filter, error) {
	if raw == nil {
		return nil, nil
	}
	f := new(filter.Filter)
	return f, decode(raw, f)
}

func (s *Server) analyses(api huma.API) {
	const of = "/collections/{collection}"
	register(s, api, wire.Read, "GET", of+"/plan", "plan", "The plan in force, and why",
		"How each vector of the collection is held and searched, and what decided it.", s.plan)
	register(s, api, wire.Read, "POST", of+"/measure", "measure", "What the vectors are like",
		"The intrinsic dimension of a vector by several estimators, its spectrum, and local dimensions, on a sample.", s.measure)
	register(s, api, wire.Read, "POST", of+"/recall", "recall", "The recall of searches now",
		"Asks queries as searches are and exactly, and tells the share of the true neighbours found, with its 95 % interval.", s.recall)
	register(s, api, wire.Write, "POST", of+"/tune", "tune", "Reach a recall at the least cost",
		"Tries plans on a sample, chooses the cheapest that reaches the target, makes the index anew by it while searches go on, and proves its recall. One at a time.", s.tune)
	register(s, api, wire.Read, "POST", of+"/compare", "compare", "How alike two named vectors are",
		"Compares two dense vectors of the same points by many measures of similarity, and says what they amount to.", s.compare)
	register(s, api, wire.Read, "POST", "/check", "check", "Whether the store is whole",
		"Reads all of the store and compares what is derived, checksums and snapshots. Reads and writes go on meanwhile.", s.check)
}

// alone runs work of which the machine can do one at a time.
func alone[T any](s *Server, work func() (T, error)) (out T, err error) {
	select {
	case s.heavy <- struct{}{}:
		defer func() { <-s.heavy }()
		return work()
	default:
		return out, wire.Errorf(wire.Busy, "another analysis is under way; try again when it has ended")
	}
}

type planAnswer struct {
	Collection string                `json:"collection"`
	Points     int                   `json:"points"`
	Status     string                `json:"status" doc:"green: what is derived has caught up; yellow: it is being worked on; red: no writes are taken"`
	Error      string                `json:"error,omitempty" doc:"why an index could not be made"`
	Vectors    map[string]vectorPlan `json:"vectors" doc:"by name; the unnamed one has the name \"\""`
}

type vectorPlan struct {
	Plan    string `json:"plan" doc:"in force, in the language of docs/plans.md"`
	Asked   string `json:"asked,omitempty" doc:"the plan that the configuration holds the vector to"`
	Effort  int    `json:"effort,omitempty" doc:"of searches that name none"`
	Size    int    `json:"size"`
	Because string `json:"because"`
}

func (s *Server) plan(_ context.Context, in *struct {
	Collection string `path:"collection" doc:"name or alias"`
}) (planAnswer, error) {
	col, err := s.store.Collection(in.Collection)
	if err != nil {
		return planAnswer{}, err
	}
	info, err := col.Info()
	if err != nil {
		return planAnswer{}, err
	}
	out := planAnswer{Collection: col.Name(), Points: info.Points, Status: string(info.Status), Error: info.OptimizerError, Vectors: map[string]vectorPlan{}}
	for name, v := range col.Config().Vectors {
		p := vectorPlan{Plan: info.Plans[name], Asked: v.Plan, Effort: v.Effort, Size: v.Size}
		switch {
		case v.Plan != "" && p.Plan == v.Plan:
			p.Because = "the configuration, or a tuning, says so"
		case v.Plan != "":
			p.Because = "the index that the configuration asks for is not there yet; all vectors are compared meanwhile"
		case p.Plan == "f32|flat":
			p.Because = "comparing all vectors is exact, and fast while they are few"
		default:
			p.Because = "there are too many vectors to compare them all; a graph over them is the general choice. A tuning may find better"
		}
		out.Vectors[name] = p
	}
	return out, nil
}

func (s *Server) measure(ctx context.Context, in *struct {
	Collection string `path:"collection" doc:"name or alias"`
	Body       struct {
		Using  string          `json:"using,omitempty" doc:"the vector; absent for the unnamed one"`
		Filter json.RawMessage `json:"filter,omitempty" doc:"as in a query: only points that it lets through"`
		Sample int             `json:"sample,omitempty" minimum:"1" maximum:"1000000" doc:"points drawn at random; absent for the recommended number"`
		Seed   uint64          `json:"seed,omitempty" doc:"of the sample: the same seed, the same answer"`
	}
}) (*dimension.Report, error) {
	col, err := s.store.Collection(in.Collection)
	if err != nil {
		return nil, err
	}
	f, err := filtering(in.Body.Filter)
	if err != nil {
		return nil, err
	}
	r, err := alone(s, func() (*dimension.Report, error) {
		return col.Measure(ctx, in.Body.Using, f, dimension.Options{Sample: in.Body.Sample, Seed: in.Body.Seed})
	})
	if err == nil && f == nil {
		s.pages.Measured(col, in.Body.Using, r)
	}
	return r, err
}

func (s *Server) recall(ctx context.Context, in *struct {
	Collection string `path:"collection" doc:"name or alias"`
	Body       struct {
		Using   string          `json:"using,omitempty" doc:"the vector; absent for the unnamed one"`
		Filter  json.RawMessage `json:"filter,omitempty" doc:"as in a query: only points that it lets through"`
		Sample  int             `json:"sample,omitempty" minimum:"1" maximum:"1000000" doc:"points drawn at random; absent for the recommended number"`
		Seed    uint64          `json:"seed,omitempty" doc:"of the sample: the same seed, the same answer"`
		K       int             `json:"k,omitempty" minimum:"1" maximum:"1000" doc:"neighbours; absent for 10"`
		Queries [][]float32     `json:"queries,omitempty" doc:"what is asked; absent for vectors of the collection's own points"`
		Effort  int             `json:"hnsw_ef,omitempty" minimum:"1" doc:"how hard to look, as in a query"`
	}
}) (*collection.RecallReport, error) {
	col, err := s.store.Collection(in.Collection)
	if err != nil {
		return nil, err
	}
	b := in.Body
	q := collection.RecallQuery{Using: b.Using, K: b.K, Sample: b.Sample, Seed: b.Seed, Params: collection.Params{Effort: b.Effort}}
	if q.Filter, err = filtering(b.Filter); err != nil {
		return nil, err
	}
	for _, v := range b.Queries {
		q.Queries = append(q.Queries, point.Dense(v))
	}
	r, err := alone(s, func() (*collection.RecallReport, error) { return col.Recall(ctx, q) })
	if err == nil && b.Queries == nil && b.Filter == nil {
		labels := []string{col.Name(), b.Using, strconv.Itoa(r.K)}
		s.metrics.recall.WithLabelValues(labels...).Set(r.Mean)
		s.metrics.recallLow.WithLabelValues(labels...).Set(r.Lo)
		s.metrics.recallAskedAt.WithLabelValues(labels...).Set(float64(time.Now().Unix()))
		if b.Effort == 0 {
			s.pages.Recalled(col, b.Using, r)
		}
	}
	return r, err
}

type tuneAnswer struct {
	*collection.TuneReport
	Reached bool   `json:"reached" doc:"the target is"`
	Why     string `json:"why,omitempty" doc:"why not"`
}

func (s *Server) tune(ctx context.Context, in *struct {
	Collection string `path:"collection" doc:"name or alias"`
	Body       struct {
		Using  string   `json:"using,omitempty" doc:"the vector; absent for the unnamed one"`
		Recall float64  `json:"recall,omitempty" minimum:"0" maximum:"1" doc:"to be reached by the lower end of the interval; absent for 0.95"`
		K      int      `json:"k,omitempty" minimum:"1" maximum:"1000" doc:"neighbours; absent for 10"`
		Plans  []string `json:"plans,omitempty" doc:"to choose among; absent for those that latent build tries"`
		Sample int      `json:"sample,omitempty" minimum:"100" maximum:"1000000" doc:"vectors that plans are tried on; absent for 20,000"`
		Seed   uint64   `json:"seed,omitempty"`
		Try    bool     `json:"try,omitempty" doc:"only say what would be chosen"`
	}
}) (tuneAnswer, error) {
	col, err := s.store.Collection(in.Collection)
	if err != nil {
		return tuneAnswer{}, err
	}
	b := in.Body
	q := collection.TuneQuery{Using: b.Using, Sample: b.Sample, Try: b.Try, Target: plan.Target{Recall: b.Recall, K: b.K}}
	q.Target.Seed = b.Seed
	for _, text := range b.Plans {
		p, err := plan.Parse(text)
		if err != nil {
			return tuneAnswer{}, wire.Errorf(wire.BadInput, "plans: %v", err)
		}
		q.Target.Plans = append(q.Target.Plans, p)
	}
	r, err := alone(s, func() (*collection.TuneReport, error) { return col.Tune(ctx, q) })
	s.pages.Tuned(col, b.Using, r, err)
	out := tuneAnswer{TuneReport: r, Reached: err == nil}
	if errors.Is(err, plan.ErrTarget) && r != nil {
		out.Why, err = err.Error(), nil
	}
	return out, err
}

func (s *Server) compare(ctx context.Context, in *struct {
	Collection string `path:"collection" doc:"name or alias"`
	Body       struct {
		A        string          `json:"a" doc:"a named dense vector"`
		B        string          `json:"b" doc:"another"`
		Measures []string        `json:"measures,omitempty" doc:"absent for all"`
		Filter   json.RawMessage `json:"filter,omitempty" doc:"as in a query: only points that it lets through"`
		Sample   int             `json:"sample,omitempty" minimum:"2" maximum:"100000" doc:"points drawn at random; absent for 2,000"`
		Seed     uint64          `json:"seed,omitempty"`
	}
}) (*similarity.Report, error) {
	col, err := s.store.Collection(in.Collection)
	if err != nil {
		return nil, err
	}
	f, err := filtering(in.Body.Filter)
	if err != nil {
		return nil, err
	}
	for _, m := range in.Body.Measures {
		if !slices.Contains(similarity.Names(), m) {
			return nil, wire.Errorf(wire.BadInput, "measures: %.40q is none of %s", m, strings.Join(similarity.Names(), ", "))
		}
	}
	return alone(s, func() (*similarity.Report, error) {
		return col.Compare(ctx, in.Body.A, in.Body.B, f, in.Body.Sample, similarity.Options{Measures: in.Body.Measures, Seed: in.Body.Seed})
	})
}

func (s *Server) check(ctx context.Context, _ *struct{}) (collection.Report, error) {
	return alone(s, func() (collection.Report, error) { return s.store.Check(ctx) })
}
