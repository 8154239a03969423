// Package recipe holds the evidence: for each paper, its claim, a run that tests the claim against a baseline over
// several seeds, and the verdict that inequalities written in the recipe give.
//
//	r, ok := recipe.Find("hnsw-order")
//	result, err := recipe.Run(ctx, r, recipe.Options{Seeds: 3})
//
// `latent reproduce NAME` runs one, docs/papers.md lists all, and docs/results has the recorded runs.
package recipe

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/latent-go/latent/internal/clock"
	"github.com/latent-go/latent/report"
)

// Recipe is one paper's claim and how it is tested.
type Recipe struct {
	Name    string
	Paper   int    // its number in Papers, or 0 if it tests an idea that is of no one paper
	Package string // where the method is, as a path in this module
	Claim   string // the paper's, in a sentence
	Data    string // what it runs on here, and how that differs from the paper
	Minutes int    // about how long it takes on 2 cores
	Run     func(ctx context.Context, e *Env) (*Evidence, error)
}

// All are the recipes, by name. A recipe is in the file of its name.
var All = []Recipe{
	anncur,
	hnswOrder,
	muveraRecipe,
	pcaRAG,
	nestedSearch,
	convergentLearning,
	datasetProperties,
	dse,
	landscapeDimension,
	finetuningDimension,
	qlaeRecipe,
	mpSAE,
	matformerRecipe,
}

// Find returns the recipe of that name.
func Find(name string) (Recipe, bool) {
	i := slices.IndexFunc(All, func(r Recipe) bool { return r.Name == name })
	if i < 0 {
		return Recipe{}, false
	}
	return All[i], true
}

// Source names the paper, or says that there is none.
func (r Recipe) Source() string {
	if r.Paper == 0 {
		return "of no one paper"
	}
	return fmt.Sprintf("paper %d: %s", r.Paper, Papers[r.Paper-1].Title)
}

// Env is what a recipe runs in.
type Env struct {
	Seeds []uint64 // to repeat the run with; each figure is reported for each
	// Miniature asks for the smallest data that goes through all of the recipe's code, in seconds: for tests. Its
	// verdict means nothing.
	Miniature bool
	// Progress is told what is being done, from several goroutines at a time; it is never nil.
	Progress func(step string, done, total int)
}

// Evidence is what a run found.
type Evidence struct {
	Measure  string  // what Baseline and Ours are, with its unit, and which direction is better
	Baseline Figures // the method the paper compares with
	Ours     Figures // the paper's method, as it runs here
	Checks   []Check // the claim, as inequalities
	Tables   []NamedTable
	Charts   []report.Chart
	Notes    []string // what differs from the paper, and what falls short
}

// Figures are one method's measurements, one for each seed.
type Figures struct {
	Method string    `json:"method"`
	Values []float64 `json:"values"`
}

// Mean is the mean over seeds.
func (f Figures) Mean() float64 {
	var s float64
	for _, v := range f.Values {
		s += v / float64(len(f.Values))
	}
	return s
}

// SD is the standard deviation over seeds, 0 for fewer than two.
func (f Figures) SD() float64 {
	if len(f.Values) < 2 {
		return 0
	}
	var s float64
	for _, v := range f.Values {
		s += (v - f.Mean()) * (v - f.Mean())
	}
	return math.Sqrt(s / float64(len(f.Values)-1))
}

func (f Figures) String() string {
	return fmt.Sprintf("%s %s", f.Method, plusMinus(f.Mean(), f.SD()))
}

func plusMinus(mean, sd float64) string { return fmt.Sprintf("%.4g ± %.2g", mean, sd) }

// Check is an inequality that the claim implies, and whether it held.
type Check struct {
	Text  string  `json:"text"` // what is compared
	Got   float64 `json:"got"`
	Rule  string  `json:"rule"` // "≥" or "≤"
	Bound float64 `json:"bound"`
	Holds bool    `json:"holds"`
}

// AtLeast is the check that got ≥ bound.
func AtLeast(text string, got, bound float64) Check {
	return Check{text, got, "≥", bound, got >= bound}
}

// AtMost is the check that got ≤ bound.
func AtMost(text string, got, bound float64) Check {
	return Check{text, got, "≤", bound, got <= bound}
}

func (c Check) String() string {
	return fmt.Sprintf("%s: %.4g %s %.4g", c.Text, c.Got, c.Rule, c.Bound)
}

// NamedTable is a table with a title.
type NamedTable struct {
	Title string
	report.Table
}

// Verdict says how much of a claim held.
type Verdict string

// A claim holds if all of its checks do, fails if none does, and otherwise holds partly.
const (
	Holds  Verdict = "holds"
	Partly Verdict = "partly"
	Fails  Verdict = "fails"
)

func judge(checks []Check) Verdict {
	held := 0
	for _, c := range checks {
		if c.Holds {
			held++
		}
	}
	switch held {
	case 0:
		return Fails
	case len(checks):
		return Holds
	}
	return Partly
}

// Result is a run of a recipe, as it is printed and recorded.
type Result struct {
	Paper    int      `json:"paper"`
	Name     string   `json:"name"`
	Claim    string   `json:"claim"`
	Measure  string   `json:"measure"`
	Baseline Figures  `json:"baseline"`
	Ours     Figures  `json:"ours"`
	Seeds    []uint64 `json:"seeds"`
	Verdict  Verdict  `json:"verdict"`
	Checks   []Check  `json:"checks"`
	Seconds  float64  `json:"seconds"`
	CPU      float64  `json:"cpu_seconds"` // of processor time, all threads together; other work on the machine disturbs it less
	Data     string   `json:"data"`
	Notes    []string `json:"notes,omitempty"`
	Machine  string   `json:"machine"`

	recipe   Recipe
	evidence *Evidence
}

// Options say how Run runs a recipe.
type Options struct {
	Seeds     int // how many, from 1 up; 0 means 3
	Miniature bool
	Progress  func(step string, done, total int)
}

// Run runs a recipe and judges what it found.
func Run(ctx context.Context, r Recipe, o Options) (*Result, error) {
	begin, cpu := time.Now(), clock.Process()
	if o.Seeds == 0 {
		o.Seeds = 3
	}
	e := &Env{Miniature: o.Miniature, Progress: o.Progress}
	for s := range o.Seeds {
		e.Seeds = append(e.Seeds, uint64(s+1))
	}
	if e.Progress == nil {
		e.Progress = func(string, int, int) {}
	}
	ev, err := r.Run(ctx, e)
	if err != nil {
		return nil, fmt.Errorf("recipe: %s: %w", r.Name, err)
	}
	if len(ev.Checks) == 0 || len(ev.Baseline.Values) == 0 || len(ev.Ours.Values) == 0 {
		return nil, fmt.Errorf("recipe: %s: a run gives checks, a baseline and our figures; it has %d, %d, %d",
			r.Name, len(ev.Checks), len(ev.Baseline.Values), len(ev.Ours.Values))
	}
	return &Result{
		Paper: r.Paper, Name: r.Name, Claim: r.Claim, Measure: ev.Measure, Baseline: ev.Baseline, Ours: ev.Ours,
		Seeds: e.Seeds, Verdict: judge(ev.Checks), Checks: ev.Checks, Seconds: time.Since(begin).Seconds(), CPU: clock.Process() - cpu,
		Data: r.Data, Notes: ev.Notes, Machine: fmt.Sprintf("%d × %s/%s, %s", runtime.GOMAXPROCS(0), runtime.GOOS, runtime.GOARCH, runtime.Version()),
		recipe: r, evidence: ev,
	}, nil
}

// Text is the result as a terminal shows it.
func (r *Result) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (%s): %s\n", r.Name, r.recipe.Source(), r.Claim)
	fmt.Fprintf(&b, "  data      %s\n", r.Data)
	fmt.Fprintf(&b, "  measure   %s\n", r.Measure)
	fmt.Fprintf(&b, "  baseline  %s\n", r.Baseline)
	fmt.Fprintf(&b, "  ours      %s\n", r.Ours)
	for _, c := range r.Checks {
		mark := "held    "
		if !c.Holds {
			mark = "NOT held"
		}
		fmt.Fprintf(&b, "  %s  %s\n", mark, c)
	}
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "  note      %s\n", n)
	}
	fmt.Fprintf(&b, "  verdict   %s, over %d seeds, in %.0f s, %.0f s of processor time\n", r.Verdict, len(r.Seeds), r.Seconds, r.CPU)
	return b.String()
}
