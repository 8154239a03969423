package recipe

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/latent-go/latent/report"
)

// TestMiniatures runs every recipe on its smallest data: all of its code, not its claim.
func TestMiniatures(t *testing.T) {
	for _, r := range All {
		t.Run(r.Name, func(t *testing.T) {
			res, err := Run(context.Background(), r, Options{Seeds: 1, Miniature: true})
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range res.Checks {
				if math.IsNaN(c.Got) {
					t.Errorf("%s: not a number", c.Text)
				}
			}
			if err := res.Record(t.TempDir()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestRegistry checks that recipes are complete, that docs/papers.md is what the registry says, and that each recipe's
// recorded run is there.
func TestRegistry(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range All {
		if r.Name == "" || seen[r.Name] || r.Paper < 0 || r.Paper > len(Papers) || r.Claim == "" || r.Data == "" || r.Run == nil || r.Minutes < 1 {
			t.Errorf("recipe %q lacks a field, or its name is taken", r.Name)
		}
		seen[r.Name] = true
		if st, err := os.Stat(filepath.Join("..", r.Package)); err != nil || !st.IsDir() {
			t.Errorf("%s: no package %q", r.Name, r.Package)
		}
		if _, err := os.Stat(filepath.Join("../docs/results", r.Name+".md")); err != nil {
			t.Errorf("%s has no recorded run: latent reproduce %s --record docs/results", r.Name, r.Name)
		}
	}
	for i, p := range Papers {
		if p.Number != i+1 || p.Title == "" || len(p.ArXiv) != 10 {
			t.Errorf("paper %d: %+v", i+1, p)
		}
	}
	doc, err := os.ReadFile("../docs/papers.md")
	if err != nil || !bytes.Equal(doc, Index()) {
		t.Errorf("docs/papers.md is not what the registry says; latent reproduce list --markdown > docs/papers.md (%v)", err)
	}
}

func fake(held ...bool) Recipe {
	return Recipe{Name: "fake", Paper: 39, Package: "recipe", Claim: "c", Data: "d", Run: func(_ context.Context, e *Env) (*Evidence, error) {
		ev := &Evidence{Measure: "m", Baseline: Figures{Method: "a"}, Ours: Figures{Method: "b"},
			Charts: []report.Chart{report.Lines{Title: "one"}, report.Lines{Title: "two"}},
			Tables: []NamedTable{{"t", report.Table{Head: []string{"x"}, Rows: [][]string{{"1"}}}}}, Notes: []string{"n"}}
		for range e.Seeds {
			ev.Baseline.Values = append(ev.Baseline.Values, 1)
			ev.Ours.Values = append(ev.Ours.Values, 2)
		}
		for _, h := range held {
			got := 0.0
			if h {
				got = 1
			}
			ev.Checks = append(ev.Checks, AtLeast("check", got, 1))
		}
		return ev, nil
	}}
}

func TestVerdict(t *testing.T) {
	for _, c := range []struct {
		held []bool
		want Verdict
	}{{[]bool{true, true}, Holds}, {[]bool{true, false}, Partly}, {[]bool{false}, Fails}} {
		r, err := Run(context.Background(), fake(c.held...), Options{})
		if err != nil || r.Verdict != c.want || len(r.Seeds) != 3 {
			t.Errorf("%v: %v, %v", c.held, r, err)
		}
	}
	if _, err := Run(context.Background(), fake(), Options{}); err == nil {
		t.Error("a run without checks was judged")
	}
	if AtMost("", math.NaN(), 1).Holds || AtLeast("", math.NaN(), 1).Holds {
		t.Error("NaN held")
	}
}

func TestRecord(t *testing.T) {
	r, err := Run(context.Background(), fake(true, false), Options{Seeds: 2})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := r.Record(dir); err != nil {
		t.Fatal(err)
	}
	md, _ := os.ReadFile(filepath.Join(dir, "fake.md"))
	for _, want := range []string{"# fake: partly", "| ours | b | 2 ± 0 | 2, 2 |", "**not held**", "![fake-2](fake-2.svg)", "--seeds 2"} {
		if !strings.Contains(string(md), want) {
			t.Errorf("the record lacks %q:\n%s", want, md)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "fake-1.svg")); err != nil {
		t.Error(err)
	}
	var back map[string]any
	b, err := json.Marshal(r)
	if err != nil || json.Unmarshal(b, &back) != nil || back["verdict"] != "partly" || back["paper"] != 39.0 {
		t.Errorf("%s, %v", b, err)
	}
}

func TestFigures(t *testing.T) {
	f := Figures{Values: []float64{1, 2, 3}}
	if f.Mean() != 2 || f.SD() != 1 || (Figures{Values: []float64{5}}).SD() != 0 {
		t.Errorf("mean %v, sd %v", f.Mean(), f.SD())
	}
}
