package plan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/latent-go/latent/index"
	"github.com/latent-go/latent/index/flat"
	"github.com/latent-go/latent/quantize/scalar"
	"github.com/latent-go/latent/vec"
)

// Target says what a plan is to reach, and what counts as cheap. The zero Target asks for recall@10 of 0.95 and weighs
// bytes and time alike.
type Target struct {
	Options
	K      int     // neighbours wanted; 0 means 10
	Recall float64 // recall@K to reach; 0 means 0.95
	// Weight is from -1, where only bytes count, to 1, where only the time of a search does.
	Weight float64
	// CountRerank counts the vectors kept for re-ranking among a plan's bytes. They can lie on disk, so by default
	// they do not count.
	CountRerank bool
	// Queries are what will be asked. Without any, some of the vectors are held out, to be asked for
	// while the rest is indexed; in the end they are added to the index.
	Queries vec.Matrix
	// Plans are those to try; nil means a ladder led by the data's spectrum and intrinsic dimension.
	Plans []Plan
	// Rows is how many vectors plans are tried on, drawn at random from more; 0 means 100,000. The plan chosen is then
	// built from all of them, its effort found again, and proven.
	Rows int
	// Budget is the time after which no plan is tried any more, one under way is given up; 0 means no limit. What was found
	// by then is built and proven, which takes its own time.
	Budget time.Duration
	// Tried, if not nil, is told of each trial when it ends.
	Tried func(Trial)
}

const (
	tuneQueries  = 500  // that plans are chosen by
	proofQueries = 1000 // that the chosen one is proven on
	maxEffort    = 8192
)

// Trial is one plan tried.
type Trial struct {
	Plan         Plan    `json:"plan"`
	Effort       int     `json:"effort,omitempty"` // the least that was found to reach the target
	Recall       Recall  `json:"recall"`
	Bytes        Bytes   `json:"bytes"`
	BuildSeconds float64 `json:"build_seconds"`
	Cost         float64 `json:"cost"` // what the choice goes by, less is better; has no unit
	Met          bool    `json:"met"`  // the lower bound of recall reaches the target, or the search is exact
	Chosen       bool    `json:"chosen"`
}

// Report says what Tune tried and what it chose.
type Report struct {
	Vectors   int        `json:"vectors"`
	Dim       int        `json:"dim"`
	Metric    vec.Metric `json:"metric"`
	K         int        `json:"k"`
	Target    float64    `json:"target"`
	Weight    float64    `json:"weight"`
	Intrinsic float64    `json:"intrinsic_dimension"`
	Rows      int        `json:"rows_tried_on"`
	Trials    []Trial    `json:"trials"`
	Proof     Proof      `json:"proof"`
	Bytes     Bytes      `json:"bytes"` // of the index built
	Seconds   float64    `json:"seconds"`
	Seed      uint64     `json:"seed"`
	Notes     []string   `json:"notes,omitempty"`
}

// ErrTarget says that no plan tried reaches the target.
var ErrTarget = errors.New("no plan reaches the target")

// Tune finds the cheapest plan that reaches the target on x and the queries, builds it from all of x, and proves its
// recall on queries that had no part in the choice. A plan reaches the target if the lower bound of the 95 %
// interval of its recall does. If none does, the error is ErrTarget, and the report says what came nearest.
func Tune(ctx context.Context, x vec.Matrix, t Target) (*Report, *Index, error) {
	begin := time.Now()
	if t.K == 0 {
		t.K = 10
	}
	if t.Recall == 0 {
		t.Recall = 0.95
	}
	if t.Rows == 0 {
		t.Rows = 100_000
	}
	if err := t.check(x); err != nil {
		return nil, nil, err
	}
	s, err := newSplit(x, t)
	if err != nil {
		return nil, nil, err
	}
	u := &tuner{Target: t, split: s, begin: begin, report: &Report{
		Vectors: x.Rows, Dim: x.Cols, Metric: t.Metric, K: t.K, Target: t.Recall, Weight: t.Weight, Seed: t.Seed,
	}}
	ix, err := u.run(ctx)
	u.report.Seconds = time.Since(begin).Seconds()
	return u.report, ix, err
}

func (t Target) check(x vec.Matrix) error {
	switch {
	case t.K < 1:
		return fmt.Errorf("plan: k is %d, want at least 1: %w", t.K, index.ErrQuery)
	case !(t.Recall > 0 && t.Recall <= 1):
		return fmt.Errorf("plan: recall target %v, want more than 0 and at most 1", t.Recall)
	case !(t.Weight >= -1 && t.Weight <= 1):
		return fmt.Errorf("plan: weight %v, want from -1 (only bytes count) to 1 (only time does)", t.Weight)
	case t.Rows < 1:
		return fmt.Errorf("plan: plans tried on %d vectors, want at least 1", t.Rows)
	case t.Queries.Rows > 0 && t.Queries.Cols != x.Cols:
		return fmt.Errorf("plan: queries have %d dimensions, the vectors %d: %w", t.Queries.Cols, x.Cols, vec.ErrDim)
	}
	if err := index.Check(x, x.Cols, t.Metric); err != nil {
		return fmt.Errorf("plan: vectors: %w", err)
	}
	if t.Queries.Rows > 0 {
		if err := index.Check(t.Queries, x.Cols, t.Metric); err != nil {
			return fmt.Errorf("plan: queries: %w", err)
		}
	}
	return nil
}

// split is the data taken apart: what is indexed, what chooses and what proves.
type split struct {
	base        vec.Matrix
	ids         []uint32   // of the rows of base; nil for 0, 1, …
	held        vec.Matrix // rows to add in the end
	heldIDs     []uint32
	tune, prove vec.Matrix
	source      string // of the queries
}

func newSplit(x vec.Matrix, t Target) (*split, error) {
	if n := t.Queries.Rows; n > 0 {
		order := draw(n, min(n, tuneQueries+proofQueries), t.Seed)
		tune, prove := deal(order)
		if len(prove) == 0 || x.Rows <= t.K {
			return nil, fmt.Errorf("plan: %d queries for %d vectors: tuning wants at least 2 queries and more vectors than the %d neighbours; "+
				"name a plan to build without tuning: %w", n, x.Rows, t.K, vec.ErrTooFew)
		}
		return &split{base: x, tune: t.Queries.Gather(tune), prove: t.Queries.Gather(prove), source: "given"}, nil
	}
	held := draw(x.Rows, min(tuneQueries+proofQueries, x.Rows/5), t.Seed)
	tune, prove := deal(held)
	if len(prove) == 0 || x.Rows-len(held) <= t.K {
		return nil, fmt.Errorf("plan: %d vectors are too few to hold some out as queries; name a plan to build without tuning: %w", x.Rows, vec.ErrTooFew)
	}
	s := &split{held: x.Gather(held), tune: x.Gather(tune), prove: x.Gather(prove), source: "rows held out, added afterwards"}
	s.base = vec.NewMatrix(x.Rows-len(held), x.Cols)
	next := 0
	for i := range x.Rows {
		if next < len(held) && held[next] == i {
			s.heldIDs = append(s.heldIDs, uint32(i))
			next++
			continue
		}
		copy(s.base.Row(len(s.ids)), x.Row(i))
		s.ids = append(s.ids, uint32(i))
	}
	return s, nil
}

// deal gives every third row to tuning and the others to the proof.
func deal(rows []int) (tune, prove []int) {
	for i, r := range rows {
		if i%3 == 0 {
			tune = append(tune, r)
		} else {
			prove = append(prove, r)
		}
	}
	return tune, prove
}

type tuner struct {
	Target
	*split
	begin  time.Time
	report *Report
	trial  vec.Matrix  // the rows plans are tried on
	truth  *Truth      // of the tuning queries among them
	full   *flat.Index // they themselves, for all plans that re-rank
	best   *Index      // built from trial by the cheapest plan that met the target so far
	chosen int         // its place among the trials; -1 for none
}

func (u *tuner) run(ctx context.Context) (*Index, error) {
	u.chosen = -1
	u.trial = sampleRows(u.base, u.Rows, u.Seed+1)
	u.report.Rows = u.trial.Rows
	if most := provable(u.tune.Rows); u.Recall > most {
		u.note("%d queries can show a recall of %.4f at most, so only exact search can be shown to reach %g; more queries would help", u.tune.Rows, most, u.Recall)
	}
	var err error
	if u.truth, err = u.exact(ctx, "exact neighbours", u.tune, u.trial, u.trialIDs()); err != nil {
		return nil, err
	}
	u.full = flat.New(scalar.Float32(u.trial.Cols), u.Metric)
	if err := u.full.Add(ctx, u.trialIDs(), u.trial); err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	if err := u.tryInTime(ctx); err != nil {
		return nil, err
	}
	if u.chosen < 0 {
		return nil, u.failure()
	}
	u.report.Trials[u.chosen].Chosen = true
	ix, err := u.finish(ctx)
	if err != nil {
		return nil, err
	}
	if err := u.proof(ctx, ix); err != nil {
		return nil, err
	}
	if len(u.heldIDs) > 0 {
		if err := ix.Add(ctx, u.heldIDs, u.held); err != nil {
			return nil, err
		}
	}
	u.report.Bytes = ix.bytesEach()
	return ix, nil
}

func (u *tuner) note(format string, a ...any) {
	u.report.Notes = append(u.report.Notes, fmt.Sprintf(format, a...))
}

// provable is the lower bound of the recall that n queries show when none of them misses anything.
func provable(n int) float64 {
	return interval(slices.Repeat([]float64{1}, n), 1).Lo
}

func (u *tuner) exact(ctx context.Context, step string, queries, base vec.Matrix, ids []uint32) (*Truth, error) {
	return NewTruth(ctx, queries, base, ids, u.Metric, u.K, u.step(step))
}

// trialIDs are the IDs that plans tried are built with: those of base where trial is all of it.
func (u *tuner) trialIDs() []uint32 {
	if u.trial.Rows < u.base.Rows {
		return nil
	}
	return u.ids
}

// finish returns the chosen plan's index over all of base, at the least effort that reaches the target there.
func (u *tuner) finish(ctx context.Context) (*Index, error) {
	ix := u.best
	u.best, u.full = nil, nil
	if u.trial.Rows == u.base.Rows {
		return ix, nil
	}
	chosen := u.report.Trials[u.chosen]
	ix, err := build(ctx, chosen.Plan, u.base, u.ids, nil, u.Options)
	if err != nil {
		return nil, err
	}
	if u.truth, err = u.exact(ctx, "exact neighbours among all", u.tune, u.base, u.ids); err != nil {
		return nil, err
	}
	trial, err := u.measure(ctx, ix)
	if err != nil {
		return nil, err
	}
	if !trial.Met {
		u.note("%s reached the target on %d vectors, but not on all %d", chosen.Plan, u.report.Rows, u.base.Rows)
	}
	return ix, nil
}

// proof measures ix on the queries that had no part in its choice. Where they do not show the target, the search is made to look harder,
// and the proof says how often.
func (u *tuner) proof(ctx context.Context, ix *Index) error {
	truth, err := u.exact(ctx, "exact neighbours of the proof", u.prove, u.base, u.ids)
	if err != nil {
		return err
	}
	p := Proof{Target: u.Recall, Queries: u.source}
	for {
		if p.Recall, err = Measure(ctx, ix, truth, index.Query{K: u.K}); err != nil {
			return err
		}
		p.Effort, p.Met = ix.effort, p.Lo >= u.Recall || ix.plan.Exact()
		if p.Met || !ix.harder() {
			break
		}
		p.Raised++
	}
	u.report.Proof = p
	return nil
}

// failure says that no plan met the target, and which came nearest.
func (u *tuner) failure() error {
	if len(u.report.Trials) == 0 {
		return fmt.Errorf("plan: no plan was tried within %s: %w; give it more time", u.Budget, ErrTarget)
	}
	near := slices.MaxFunc(u.report.Trials, func(a, b Trial) int { return cmp.Compare(a.Recall.Lo, b.Recall.Lo) })
	return fmt.Errorf("plan: %w of recall@%d ≥ %g with 95 %% confidence; nearest came %s with %.4f (%.4f to %.4f); ask for less, or allow more plans",
		ErrTarget, u.K, u.Recall, near.Plan, near.Recall.Mean, near.Recall.Lo, near.Recall.Hi)
}
