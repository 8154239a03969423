package plan

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/latent-go/latent/vec"
)

func TestParse(t *testing.T) {
	for spec, want := range map[string]string{
		"pca:110|sq8|hnsw:32|rerank:4": "pca:110|sq8|hnsw:32|rerank:4",
		"flat":                         "f32|flat",
		"sq4":                          "sq4|flat",
		"hnsw":                         "f32|hnsw:16",
		" pca:0.95 | hnsw:8,efc=100 ":  "pca:0.95|f32|hnsw:8,efc=100",
		"hnsw:8,order=lid":             "f32|hnsw:8,order=lid",
		"hnsw:8,efc=50,order=lid":      "f32|hnsw:8,efc=50,order=lid",
		"hnsw:16,efc=200|rerank:1":     "f32|hnsw:16|rerank:1",
		"pq:98x8|flat":                 "pq:98|flat",
		"pca:64|opq:32x4|rerank:8":     "pca:64|opq:32x4|flat|rerank:8",
		"rabitq|hnsw":                  "rabitq:1|hnsw:16",
		"pq:8x4|ivf:64|rerank:4":       "pq:8x4|ivf:64|rerank:4",
		"ivf":                          "f32|ivf",
	} {
		p, err := Parse(spec)
		if err != nil {
			t.Errorf("%q: %v", spec, err)
		} else if p.String() != want {
			t.Errorf("%q is %q, want %q", spec, p, want)
		}
	}
}

func TestParseSaysWhatIsWrong(t *testing.T) {
	for spec, want := range map[string]string{
		"":                "the stages are pca, f32",
		"pcq:4":           `no stage "pcq"`,
		"sq8|f16":         "both a codec",
		"flat|sq8":        "the order is map|codec|index|rerank",
		"pca":             "pca:110",
		"pca:0":           "pca:110",
		"pca:1.5":         "share",
		"pca:NaN":         "share",
		"sq8:3":           "takes no argument",
		"hnsw:1":          "from 2 to 512",
		"hnsw:16,ef=3":    "hnsw:M,efc=N",
		"hnsw:16,17":      "hnsw:M,efc=N",
		"hnsw:8,order=up": "hnsw:M,efc=N,order=lid",
		"rerank:4|rerank": "both a re-ranking",
		"rerank:0":        "rerank:4",
		"pq":              "pq:64x4",
		"opq:64x3":        "opq:64x4",
		"pq:64x":          "pq:64x4",
		"rabitq:9":        "rabitq:2",
		"ivf:0":           "ivf:1024",
		"|":               "no stage",
	} {
		if _, err := Parse(spec); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want it to say %q", spec, err, want)
		}
	}
}

func TestStringParsesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Plan{
			Codec:  rapid.SampledFrom([]string{"", "f32", "f16", "sq8", "sq4", "pq:3", "opq:12x4", "rabitq:2"}).Draw(t, "codec"),
			Index:  rapid.SampledFrom([]string{"", "flat", "hnsw"}).Draw(t, "index"),
			Rerank: rapid.IntRange(0, 100).Draw(t, "rerank"),
		}
		if rapid.Bool().Draw(t, "components") {
			p.PCA.Components = rapid.IntRange(1, 4096).Draw(t, "n")
		} else {
			p.PCA.Variance = rapid.Float64Range(1e-9, 1-1e-9).Draw(t, "share")
		}
		if p.Index == "hnsw" {
			p.M, p.EfC = rapid.IntRange(2, 512).Draw(t, "m"), rapid.IntRange(1, 1000).Draw(t, "efc")
			p.Order = rapid.SampledFrom([]string{"", "lid"}).Draw(t, "order")
		}
		q, err := Parse(p.String())
		if err != nil || q.withDefaults() != p.withDefaults() {
			t.Fatalf("%q is %+v, %v; want %+v", p.String(), q, err, p)
		}
	})
}

func TestFits(t *testing.T) {
	if err := MustParse("pca:5").Fits(4, 10, vec.Euclidean); err == nil {
		t.Error("5 components of 4 vectors")
	}
	if err := MustParse("pca:5").Fits(40, 10, vec.Manhattan); err == nil {
		t.Error("a rotation under l1")
	}
	if err := MustParse("pca:5").Fits(40, 10, vec.Cosine); err != nil {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("pca:110|sq8|hnsw:32,efc=100|rerank:4")
	f.Add("f16|hnsw:8,order=lid")
	f.Fuzz(func(t *testing.T, s string) {
		if p, err := Parse(s); err == nil {
			if q, err := Parse(p.String()); err != nil || q.withDefaults() != p.withDefaults() {
				t.Errorf("%q prints as %q, which is %v, %v", s, p, q, err)
			}
		}
	})
}
