package plan

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"time"

	"github.com/latent-go/latent/index"
	"github.com/latent-go/latent/index/ivf"
	"github.com/latent-go/latent/measure/dimension"
	"github.com/latent-go/latent/vec"
)

// The ladder climbs from few bytes to many. First each codec is tried with more and more dimensions, looking at every
// code, until what it finds holds the target, and on until it does so with little re-ranking: from then on more
// dimensions only cost. Then graphs are laid over the codes that do.
var (
	ladderCodecs  = []string{"sq4", "sq8"}
	ladderShares  = []float64{0.8, 0.9, 0.95} // of the variance
	ladderReranks = []int{0, 2, 4, 8, 16}
)

// fewestBytes is tried where bytes count more than time: codes that take many candidates to re-rank, and less room than a graph's links.
const fewestBytes = "rabitq:1"

const (
	measuredRows = 4000 // that the dimension and the spectrum are measured on
	littleRerank = 4
	flatOnly     = 2000 // vectors up to which a graph cannot pay
	flatTimed    = 50   // queries that a full scan is timed with
	multipleOf   = 16   // numbers of components: what kernels and codecs like
)

// tryInTime tries what the budget allows. Where that ends before any plan of the ladder has met the target, exact search does.
func (u *tuner) tryInTime(ctx context.Context) error {
	if u.Budget <= 0 {
		return u.tryAll(ctx)
	}
	within, cancel := context.WithDeadline(ctx, u.begin.Add(u.Budget))
	defer cancel()
	err := u.tryAll(within)
	if ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	u.note("the budget of %s ended before all plans were tried", u.Budget)
	if u.chosen < 0 && u.Plans == nil {
		return u.try(ctx, Plan{}.withDefaults())
	}
	return nil
}

// tryAll tries the caller's plans or the ladder's.
func (u *tuner) tryAll(ctx context.Context) error {
	if u.Plans != nil {
		for _, p := range u.Plans {
			if err := u.try(ctx, p); err != nil {
				return err
			}
		}
		return nil
	}
	dims, err := u.dims(ctx)
	if err != nil {
		return err
	}
	codecs := ladderCodecs
	if u.Weight < 0 && u.Metric != vec.Manhattan {
		codecs = append([]string{fewestBytes}, codecs...)
	}
	var graphs []Plan
	for _, c := range codecs {
		for _, d := range dims {
			p := Plan{Codec: c}
			if d < u.trial.Cols {
				p.PCA.Components = d
			}
			trial, err := u.tryCodes(ctx, p)
			if err != nil {
				return err
			}
			if trial.Met {
				if c != fewestBytes {
					graphs = append(graphs, trial.Plan)
				}
				if trial.Plan.Rerank <= littleRerank {
					break
				}
			}
		}
	}
	for _, spec := range []string{"f16|flat", "f32|flat"} {
		if err := u.try(ctx, MustParse(spec)); err != nil {
			return err
		}
	}
	if u.trial.Rows <= flatOnly {
		return nil
	}
	for _, p := range append(graphs, Plan{Codec: "f16"}, Plan{Codec: "f32"}) {
		p.Index, p.M = "hnsw", u.links()
		if err := u.try(ctx, p.withDefaults()); err != nil {
			return err
		}
	}
	if err := u.tryLists(ctx); err != nil {
		return err
	}
	return u.tryOrder(ctx)
}

// tryLists tries inverted lists of 4-bit product codes, which are scanned fastest: with the least re-ranking that finds
// enough where all lists are looked into, and with a step more, where fewer lists do.
func (u *tuner) tryLists(ctx context.Context) error {
	d := u.trial.Cols
	parts := max(d/4, min(d/2, 100)) // two to four dimensions each
	ix, seconds, err := u.built(ctx, Plan{Codec: fmt.Sprintf("pq:%dx4", max(parts, 1)), Index: "ivf", Rerank: ladderReranks[len(ladderReranks)-1]})
	if err != nil {
		return err
	}
	found, err := u.candidates(ctx, ix)
	if err != nil {
		return err
	}
	enough := u.enough(found)
	for _, rerank := range ladderReranks[enough:min(enough+2, len(ladderReranks))] {
		one := *ix
		if one.plan.Rerank = rerank; rerank == 0 {
			one.full = nil
		}
		trial, err := u.measure(ctx, &one)
		if err != nil {
			return err
		}
		trial.BuildSeconds = seconds
		u.keep(trial, &one)
	}
	return nil
}

// tryOrder tries the cheapest plan, if it is a graph, with its rows inserted by falling local dimension. keep takes that
// only if it needs less effort.
func (u *tuner) tryOrder(ctx context.Context) error {
	if u.chosen < 0 {
		return nil
	}
	p := u.report.Trials[u.chosen].Plan
	if p.Index != "hnsw" {
		return nil
	}
	p.Order = orderLID
	return u.try(ctx, p)
}

// dims returns the numbers of dimensions to try, ascending, led by the intrinsic dimension and by the spectrum; the
// last is all of them. Where vectors must not be rotated it is the only one.
func (u *tuner) dims(ctx context.Context) ([]int, error) {
	full := []int{u.trial.Cols}
	measured, err := dimension.Measure(ctx, u.trial, dimension.Options{Sample: measuredRows, Seed: u.Seed, Progress: u.step("dimension")})
	if err != nil {
		return nil, err
	}
	u.report.Intrinsic = measured.Dimension
	spectrum := measured.Spectrum
	if u.Metric == vec.Manhattan || spectrum == nil {
		return full, nil
	}
	wanted := []int{int(2 * u.report.Intrinsic), int(4 * u.report.Intrinsic)}
	for _, share := range ladderShares {
		wanted = append(wanted, spectrum.Components(share))
	}
	var dims []int
	for _, d := range wanted {
		d = (d + multipleOf - 1) / multipleOf * multipleOf
		if d > 0 && d < u.trial.Cols && d <= u.trial.Rows {
			dims = append(dims, d)
		}
	}
	slices.Sort(dims)
	return append(slices.Compact(dims), full...), nil
}

// links is M for graphs on this data: more where the dimension is high, as hnswlib's advice has it.
func (u *tuner) links() int {
	if u.report.Intrinsic > 20 {
		return 32
	}
	return 16
}

// try builds a plan from the trial rows and measures it.
func (u *tuner) try(ctx context.Context, p Plan) error {
	defer runtime.GC() // an index that was not kept may be as large as the data
	ix, seconds, err := u.built(ctx, p)
	if err != nil {
		return err
	}
	trial, err := u.measure(ctx, ix)
	if err != nil {
		return err
	}
	trial.BuildSeconds = seconds
	u.keep(trial, ix)
	return nil
}

func (u *tuner) built(ctx context.Context, p Plan) (*Index, float64, error) {
	begin := time.Now()
	o := u.Options
	if o.Progress != nil {
		o.Progress = func(_ string, done, total int) { u.Progress("try "+p.String(), done, total) }
	}
	ix, err := build(ctx, p, u.trial, u.trialIDs(), u.full, o)
	return ix, time.Since(begin).Seconds(), err
}

// tryCodes tries the plan's map and codec with a scan of all codes and the least re-ranking that finds enough; the plan of
// the trial it returns says how much that is.
func (u *tuner) tryCodes(ctx context.Context, p Plan) (Trial, error) {
	p.Rerank = ladderReranks[len(ladderReranks)-1]
	ix, seconds, err := u.built(ctx, p)
	if err != nil {
		return Trial{}, err
	}
	found, err := u.candidates(ctx, ix)
	if err != nil {
		return Trial{}, err
	}
	enough := u.enough(found)
	r := interval(found[enough], u.K)
	if ix.plan.Rerank = ladderReranks[enough]; ix.plan.Rerank == 0 {
		ix.full = nil
	}
	timed := min(u.tune.Rows, flatTimed)
	cost, err := Measure(ctx, ix, u.truth.first(timed), index.Query{K: u.K})
	if err != nil {
		return Trial{}, err
	}
	r.Distances, r.P50Micros, r.P99Micros, r.MeanMicros = cost.Distances, cost.P50Micros, cost.P99Micros, cost.MeanMicros
	trial := Trial{Plan: ix.plan, Recall: r, Met: r.Lo >= u.Recall, BuildSeconds: seconds}
	u.keep(trial, ix)
	return trial, nil
}

// enough is the least step of re-ranking that finds enough, by what candidates returned; the last if none does.
func (u *tuner) enough(found [][]float64) int {
	i := slices.IndexFunc(found, func(f []float64) bool { return interval(f, u.K).Lo >= u.Recall })
	if i < 0 {
		return len(found) - 1
	}
	return i
}

// candidates returns for each step of re-ranking and each tuning query the recall that re-ranking so many candidates
// would have: the exact search's neighbours are found if they are among them.
func (u *tuner) candidates(ctx context.Context, ix *Index) ([][]float64, error) {
	found := make([][]float64, len(ladderReranks))
	for i := range found {
		found[i] = make([]float64, u.tune.Rows)
	}
	most := ladderReranks[len(ladderReranks)-1]
	err := vec.Blocks(ctx, u.tune.Rows, 1, func(q, _ int) error {
		w, err := ix.mapped(u.tune.Slice(q, q+1))
		if err != nil {
			return fmt.Errorf("plan: query %d: %w", q, err)
		}
		res, err := ix.inner.Search(ctx, w.Data, index.Query{K: most * u.K, Effort: ix.most()})
		if err != nil {
			return err
		}
		for i, rerank := range ladderReranks {
			found[i][q] = u.truth.recall(q, u.K, res.Hits[:min(len(res.Hits), max(rerank, 1)*u.K)])
		}
		return nil
	})
	return found, err
}

// measure finds the least effort at which ix reaches the target on the tuning queries, sets it, and says what it costs.
// Where the greatest effort does not reach it, that is what is measured.
func (u *tuner) measure(ctx context.Context, ix *Index) (Trial, error) {
	trial := Trial{Plan: ix.plan}
	if ix.plan.Index == "flat" {
		queries := u.truth
		if ix.plan.Exact() {
			queries = u.truth.first(min(u.tune.Rows, flatTimed)) // to time it; its recall is known
		}
		r, err := Measure(ctx, ix, queries, index.Query{K: u.K})
		trial.Recall, trial.Met = r, r.Lo >= u.Recall || ix.plan.Exact()
		return trial, err
	}
	at := func(effort int) (bool, error) {
		r, err := Measure(ctx, ix, u.truth, index.Query{K: u.K, Effort: effort})
		if err != nil {
			return false, err
		}
		met := r.Lo >= u.Recall
		if met || !trial.Met {
			trial.Recall, trial.Effort, trial.Met = r, effort, met
		}
		return met, nil
	}
	low := u.K * max(ix.plan.Rerank, 1)
	if ix.plan.Index == "ivf" {
		low = 1
	}
	effort, err := least(low, max(low, ix.most()), at)
	ix.effort = effort
	return trial, err
}

// least returns the least number from low to high, to within a twentieth, for which ok is true, if ok is false below some
// number and true above it. It asks low first, then numbers that double, then halves the gap. If none is ok it returns high.
func least(low, high int, ok func(int) (bool, error)) (int, error) {
	bad, good := low-1, low
	for {
		yes, err := ok(good)
		if err != nil {
			return 0, err
		}
		if yes {
			break
		}
		if good == high {
			return high, nil
		}
		bad, good = good, min(2*good, high)
	}
	for good-bad > 1 && good-bad > good/20 {
		mid := (good + bad) / 2
		yes, err := ok(mid)
		if err != nil {
			return 0, err
		}
		if yes {
			good = mid
		} else {
			bad = mid
		}
	}
	return good, nil
}

// keep records a trial, and its index if it is the cheapest yet that met the target.
func (u *tuner) keep(t Trial, ix *Index) {
	t.Bytes = ix.bytesEach()
	bytes := t.Bytes.Index
	if u.CountRerank {
		bytes += t.Bytes.Rerank
	}
	t.Cost = (1-u.Weight)/2*math.Log(bytes/t.Bytes.Float32) + (1+u.Weight)/2*math.Log(max(t.Recall.MeanMicros, 0.1))
	u.report.Trials = append(u.report.Trials, t)
	better := t.Met && (u.chosen < 0 || t.Cost < u.report.Trials[u.chosen].Cost)
	if better && t.Plan.Order != "" && u.Plans == nil {
		better = t.Effort < u.report.Trials[u.chosen].Effort // than the same graph's; its time differs by chance, too
	}
	if better {
		u.chosen, u.best = len(u.report.Trials)-1, ix
	}
	if u.Tried != nil {
		u.Tried(t)
	}
}

// Exact says that the plan's search is exact by construction.
func (p Plan) Exact() bool {
	p = p.withDefaults()
	return p.PCA == (PCA{}) && p.Codec == "f32" && p.Index == "flat"
}

// harder makes searches look further than they did, at more cost, and says whether that is possible.
func (ix *Index) harder() bool {
	switch {
	case ix.plan.Index != "flat" && ix.effort < ix.most():
		ix.effort = min(ix.effort+ix.effort/8+1, ix.most())
	case ix.full != nil && ix.plan.Rerank < 64:
		ix.plan.Rerank *= 2
	default:
		return false
	}
	return true
}

// most is the greatest effort that can make a difference, or that is reasonable.
func (ix *Index) most() int {
	if lists, ok := ix.inner.(*ivf.Index); ok {
		return lists.Lists().Len()
	}
	return min(maxEffort, ix.Len())
}
