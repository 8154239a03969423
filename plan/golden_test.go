package plan_test

import (
	"flag"
	"path/filepath"
	"strings"
	"testing"

	"github.com/latent-go/latent/index"
	"github.com/latent-go/latent/plan"
	"github.com/latent-go/latent/vec"
)

var update = flag.Bool("update", false, "write testdata/v1 anew; only when a format that nobody has yet is changed")

// TestGolden opens index folders written by earlier versions of the formats: what one version wrote, all later ones read.
func TestGolden(t *testing.T) {
	x := mixture(120, 1)
	for _, spec := range []string{"f32|flat", "pca:6|sq4|hnsw:4|rerank:4", "f16|hnsw:6,efc=50", "sq8|flat|rerank:2"} {
		dir := filepath.Join("testdata", "v1", strings.NewReplacer("|", "_", ":", "-", ",", "_", "=", "-").Replace(spec))
		if *update {
			ix, err := plan.Build(ctx, plan.MustParse(spec), x, plan.Options{Metric: vec.Cosine, Seed: 1})
			if err != nil {
				t.Fatal(err)
			}
			if err := ix.Save(ctx, dir, &plan.Manifest{Data: plan.Data{Source: "mixture(120, 1)"}}, []string{"first"}, true); err != nil {
				t.Fatal(err)
			}
		}
		f, err := plan.Open(dir)
		if err != nil {
			t.Errorf("%s: %v", spec, err)
			continue
		}
		if f.Plan().String() != spec || f.Len() != 120 || f.Metric() != vec.Cosine || f.Label(0) != "first" {
			t.Errorf("%s: opened as %s, %d vectors under %s", spec, f.Plan(), f.Len(), f.Metric())
		}
		found := 0
		for i := range x.Rows {
			res, err := f.Search(ctx, x.Row(i), index.Query{K: 1, Effort: 50})
			if err != nil {
				t.Fatal(err)
			}
			if len(res.Hits) == 1 && res.Hits[0].ID == uint32(i) {
				found++
			}
		}
		if found < 118 { // seen 120
			t.Errorf("%s: %d of 120 vectors find themselves", spec, found)
		}
		f.Close()
	}
}
