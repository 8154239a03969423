package plan_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/latent-go/latent/index"
	"github.com/latent-go/latent/plan"
	"github.com/latent-go/latent/vec"
)

// TestTune lets only bytes count, so that the choice does not hang on a clock, and checks the promise anew: with
// queries of our own, against the exact neighbours.
func TestTune(t *testing.T) {
	x := mixture(6000, 1)
	var told int
	report, ix, err := plan.Tune(ctx, x, plan.Target{Options: plan.Options{Metric: vec.Cosine, Seed: 5}, Recall: 0.9, Weight: -1, Tried: func(plan.Trial) { told++ }})
	if err != nil {
		t.Fatal(err)
	}
	if b, err := json.Marshal(report); err != nil {
		t.Errorf("%v in %s", err, b)
	}
	chosen := slices.IndexFunc(report.Trials, func(t plan.Trial) bool { return t.Chosen })
	if chosen < 0 || told != len(report.Trials) {
		t.Fatalf("chosen %d of %d trials, told of %d", chosen, len(report.Trials), told)
	}
	if !slices.ContainsFunc(report.Trials, func(t plan.Trial) bool { return t.Plan.Codec == "rabitq:1" }) {
		t.Error("where only bytes count, codes of one bit a dimension were not tried")
	}
	for _, tr := range report.Trials {
		if tr.Met && tr.Bytes.Index < report.Trials[chosen].Bytes.Index {
			t.Errorf("%s takes %.0f bytes, chosen was %s with %.0f", tr.Plan, tr.Bytes.Index, report.Trials[chosen].Plan, report.Trials[chosen].Bytes.Index)
		}
		if tr.Met != (tr.Recall.Lo >= 0.9) && tr.Plan.String() != "f32|flat" {
			t.Errorf("%s: met is %v, the bound of its recall %v", tr.Plan, tr.Met, tr.Recall.Lo)
		}
	}
	if report.Trials[chosen].Bytes.Index > 4*48/4 {
		t.Errorf("%s takes %.0f bytes; vectors of 6 dimensions in 8 clusters fit in a quarter of float32", report.Trials[chosen].Plan, report.Trials[chosen].Bytes.Index)
	}
	if p := report.Proof; !p.Met || p.Lo < 0.9 || p.Recall.Queries != 800 || p.Raised > 3 {
		t.Errorf("proof: %+v", p)
	}
	if ix.Len() != x.Rows || ix.Plan() != report.Trials[chosen].Plan {
		t.Errorf("the index has %d vectors by %s", ix.Len(), ix.Plan())
	}
	queries := mixture(500, 99)
	r, err := plan.Measure(ctx, ix, truth(t, queries, x, vec.Cosine, 10), index.Query{K: 10})
	if err != nil || r.Mean < 0.88 { // seen 0.93 to 0.97
		t.Errorf("recall of the finished index is %.3f, promised 0.9: %v", r.Mean, err)
	}
	t.Logf("%s, proof %.4f, anew %.4f", ix.Plan(), report.Proof.Mean, r.Mean)
}

// TestTuneFindsItsEffort checks that a graph is searched no harder than it must be.
func TestTuneFindsItsEffort(t *testing.T) {
	x, queries := mixture(4000, 1), mixture(600, 2)
	report, ix, err := plan.Tune(ctx, x, plan.Target{Recall: 0.95, Queries: queries, Plans: []plan.Plan{plan.MustParse("hnsw:4,efc=20")}})
	if err != nil {
		t.Fatal(err)
	}
	tr := report.Trials[0]
	if tr.Effort <= 10 || tr.Recall.Lo < 0.95 {
		t.Errorf("effort %d, recall %+v", tr.Effort, tr.Recall)
	}
	little, err := plan.Measure(ctx, ix, truth(t, queries, x, vec.Euclidean, 10), index.Query{K: 10, Effort: max(10, tr.Effort/2)})
	if err != nil || little.Mean >= 0.95 { // seen 0.945 at half of 70
		t.Errorf("effort %d; half would have done: %+v, %v", tr.Effort, little, err)
	}
	if report.Proof.Queries != "given" || ix.Effort() < tr.Effort {
		t.Errorf("proof %+v, effort %d", report.Proof, ix.Effort())
	}
}

func TestTuneOnASample(t *testing.T) {
	x := mixture(5000, 1)
	report, ix, err := plan.Tune(ctx, x, plan.Target{Rows: 2500, Plans: []plan.Plan{plan.MustParse("sq8|hnsw:8|rerank:2")}})
	if err != nil {
		t.Fatal(err)
	}
	if report.Rows != 2500 || ix.Len() != 5000 || !report.Proof.Met {
		t.Errorf("tried on %d rows, built of %d, proof %+v", report.Rows, ix.Len(), report.Proof)
	}
	// Every vector finds itself: those tried on, those not, and those held out.
	for i := 0; i < x.Rows; i += 97 {
		res, err := ix.Search(ctx, x.Row(i), index.Query{K: 1, Effort: 200})
		if err != nil || len(res.Hits) != 1 || res.Hits[0].ID != uint32(i) {
			t.Errorf("vector %d finds %v, %v", i, res.Hits, err)
		}
	}
}

func TestTuneSaysWhenNoneDoes(t *testing.T) {
	x := mixture(2000, 1)
	report, ix, err := plan.Tune(ctx, x, plan.Target{Recall: 0.999, Plans: []plan.Plan{plan.MustParse("pca:2|sq4|flat")}})
	if !errors.Is(err, plan.ErrTarget) || ix != nil || len(report.Trials) != 1 || !strings.Contains(err.Error(), "nearest came pca:2|sq4|flat") {
		t.Errorf("%v, %v", report, err)
	}
	if len(report.Notes) == 0 || !strings.Contains(report.Notes[0], "more queries would help") {
		t.Errorf("notes: %q", report.Notes)
	}
}

// The bubble's clock stands still but for the sleep, which is longer than the budget, in the middle of a build.
func TestTuneKeepsToItsBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		target := plan.Target{Budget: time.Minute, Plans: []plan.Plan{plan.MustParse("f16|flat"), plan.MustParse("f32|hnsw:8"), plan.MustParse("sq8|flat")}}
		target.Progress = func(step string, done, total int) {
			if strings.HasPrefix(step, "try f32|hnsw:8") {
				time.Sleep(2 * time.Minute)
			}
		}
		report, ix, err := plan.Tune(t.Context(), mixture(3000, 1), target)
		if err != nil {
			t.Fatal(err)
		}
		if len(report.Trials) != 1 || ix.Plan().String() != "f16|flat" || !strings.Contains(strings.Join(report.Notes, " "), "the budget of 1m0s ended") {
			t.Errorf("%d trials, %s, notes %q", len(report.Trials), ix.Plan(), report.Notes)
		}
		target.Budget, target.Plans = 1, nil // nothing meets the target by then
		target.Progress = func(string, int, int) { time.Sleep(time.Second) }
		if report, ix, err = plan.Tune(t.Context(), mixture(3000, 1), target); err != nil {
			t.Fatal(err)
		}
		if len(report.Trials) != 1 || ix.Plan().String() != "f32|flat" || !report.Proof.Met {
			t.Errorf("%d trials, %s, proof %+v", len(report.Trials), ix.Plan(), report.Proof)
		}
	})
}

func TestTuneRefuses(t *testing.T) {
	x := mixture(60, 1)
	nan := x.Clone()
	nan.Row(2)[3] = float32(math.NaN())
	for name, c := range map[string]struct {
		x    vec.Matrix
		t    plan.Target
		want string
	}{
		"too few vectors":  {x.Slice(0, 12), plan.Target{}, "too few"},
		"k":                {x, plan.Target{K: -1}, "k is -1"},
		"recall":           {x, plan.Target{Recall: 1.5}, "1.5"},
		"weight":           {x, plan.Target{Weight: 2}, "weight 2"},
		"NaN":              {nan, plan.Target{}, "row 2, column 3"},
		"queries":          {x, plan.Target{Queries: vec.NewMatrix(5, 3)}, "queries have 3 dimensions"},
		"one query":        {x, plan.Target{Queries: x.Slice(0, 1)}, "at least 2 queries"},
		"no time":          {x, plan.Target{Budget: 1, Plans: []plan.Plan{}}, "no plan was tried"},
		"a zero under cos": {vec.NewMatrix(60, 4), plan.Target{Options: plan.Options{Metric: vec.Cosine}}, "no direction"},
	} {
		if _, _, err := plan.Tune(ctx, c.x, c.t); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want it to say %q", name, err, c.want)
		}
	}
	soon, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if _, _, err := plan.Tune(soon, mixture(20_000, 1), plan.Target{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("cancelled: %v", err)
	}
}
