// Package plan says in one short line how vectors are kept and searched, builds what the line says, and finds the
// cheapest line that meets a recall target on the caller's own data.
//
//	p, err := plan.Parse("pca:110|sq8|hnsw:32|rerank:4")
//	ix, err := plan.Build(ctx, p, x, plan.Options{Metric: vec.Cosine})
//	report, ix, err := plan.Tune(ctx, x, plan.Target{Recall: 0.95})
//
// A plan reads from left to right as a vector travels: maps to fewer dimensions, a codec to fewer bytes, an index over
// the codes, and exact re-ranking of what the index finds. docs/plans.md is the reference of the language.
package plan

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/latent-go/latent/vec"
)

// Plan is a pipeline, as its spec says it. The zero Plan is "f32|flat": exact search.
type Plan struct {
	PCA    PCA
	Codec  string // as the spec has it, such as "sq8" or "pq:98x4"; "" is f32
	Index  string // "flat", "hnsw" or "ivf"; "" is flat
	M      int    // of hnsw: links of a node, 2M at the bottom; 0 is 16
	EfC    int    // of hnsw: efConstruction; 0 is 200
	Order  string // of hnsw: "lid" inserts rows by falling local dimension, "" as they come
	Lists  int    // of ivf: inverted lists; 0 is 2√n for n vectors
	Rerank int    // candidates fetched for each neighbour wanted, then scored with the full vectors; 0 for no re-ranking
}

// PCA is the map stage: how many principal components to keep, as a number or as a share of the variance. The zero
// PCA keeps the vectors as they are.
type PCA struct {
	Components int
	Variance   float64
}

func (p PCA) String() string {
	switch {
	case p.Components > 0:
		return "pca:" + strconv.Itoa(p.Components)
	case p.Variance > 0:
		return "pca:" + strconv.FormatFloat(p.Variance, 'f', -1, 64)
	}
	return ""
}

// stage is one word of the language.
type stage struct {
	name, args, doc string
	rank            int // stages stand in the order of their ranks, one of each
	parse           func(p *Plan, args []string) error
}

const (
	mapRank = iota
	codecRank
	indexRank
	rerankRank
)

var rankNames = [...]string{"map", "codec", "index", "re-ranking"}

// stages are the words of the language, in the order in which help prints them.
var stages = []stage{
	{"pca", "N or SHARE", "keep N principal components, or as many as explain SHARE of the variance", mapRank, parsePCA},
	{"f32", "", "full float32 vectors", codecRank, codec("f32")},
	{"f16", "", "half precision: 2 bytes a dimension", codecRank, codec("f16")},
	{"sq8", "", "8-bit scalar quantisation: 1 byte a dimension", codecRank, codec("sq8")},
	{"sq4", "", "4-bit scalar quantisation: half a byte a dimension", codecRank, codec("sq4")},
	{"pq", "M or Mx4", "product quantisation in M parts of 8 bits, or of 4", codecRank, parsePQ("pq")},
	{"opq", "M or Mx4", "the same after a rotation learnt for it", codecRank, parsePQ("opq")},
	{"rabitq", "[BITS]", "1 to 8 bits a dimension after a random rotation (1)", codecRank, parseRaBitQ},
	{"flat", "", "look at every code", indexRank, func(p *Plan, args []string) error { p.Index = "flat"; return none(args) }},
	{"hnsw", "M[,efc=N][,order=lid]", "a navigable graph with M links a node, built with efConstruction N (200), its rows inserted as they come or by falling local dimension", indexRank, parseHNSW},
	{"ivf", "[LISTS]", "inverted lists, 2√n of them for n vectors, of which a search looks into the nearest", indexRank, parseIVF},
	{"rerank", "R", "fetch R·k candidates by their codes and score them with the full vectors", rerankRank, parseRerank},
}

// Stages returns name, arguments and meaning of each stage a spec can have, in order.
func Stages() [][3]string {
	var out [][3]string
	for _, s := range stages {
		out = append(out, [3]string{s.name, s.args, s.doc})
	}
	return out
}

// Parse reads a spec such as "pca:110|sq8|hnsw:32|rerank:4". Stages that are left out take their defaults: no map,
// f32, flat, no re-ranking.
func Parse(spec string) (Plan, error) {
	var p Plan
	rank, last := -1, ""
	for part := range strings.SplitSeq(spec, "|") {
		name, arg, hasArg := strings.Cut(strings.TrimSpace(part), ":")
		s, ok := stageNamed(name)
		if !ok {
			return Plan{}, fmt.Errorf("plan: %q: no stage %q; the stages are %s", spec, name, stageNames())
		}
		switch {
		case s.rank == rank:
			return Plan{}, fmt.Errorf("plan: %q: %s and %s are both a %s; a plan has one", spec, last, name, rankNames[rank])
		case s.rank < rank:
			return Plan{}, fmt.Errorf("plan: %q: %s stands after %s; the order is map|codec|index|rerank", spec, name, last)
		}
		rank, last = s.rank, name
		var args []string
		if hasArg {
			args = strings.Split(arg, ",")
		}
		if err := s.parse(&p, args); err != nil {
			return Plan{}, fmt.Errorf("plan: %q: %s: %w", spec, name, err)
		}
	}
	return p, nil
}

// MustParse is Parse for plans that stand in a program. An error panics.
func MustParse(spec string) Plan {
	p, err := Parse(spec)
	if err != nil {
		panic(err)
	}
	return p
}

// String returns the spec in full, so that Parse(p.String()) is p with its defaults filled in.
func (p Plan) String() string {
	p = p.withDefaults()
	var parts []string
	if s := p.PCA.String(); s != "" {
		parts = append(parts, s)
	}
	parts = append(parts, p.Codec)
	if p.Index == "hnsw" {
		s := "hnsw:" + strconv.Itoa(p.M)
		if p.EfC != defaultEfC {
			s += ",efc=" + strconv.Itoa(p.EfC)
		}
		if p.Order != "" {
			s += ",order=" + p.Order
		}
		parts = append(parts, s)
	} else if p.Lists > 0 {
		parts = append(parts, p.Index+":"+strconv.Itoa(p.Lists))
	} else {
		parts = append(parts, p.Index)
	}
	if p.Rerank > 0 {
		parts = append(parts, "rerank:"+strconv.Itoa(p.Rerank))
	}
	return strings.Join(parts, "|")
}

// MarshalText and UnmarshalText make a Plan a string in JSON.
func (p Plan) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText is Parse.
func (p *Plan) UnmarshalText(b []byte) (err error) {
	*p, err = Parse(string(b))
	return err
}

const (
	defaultM   = 16
	defaultEfC = 200
	orderLID   = "lid"
)

func (p Plan) withDefaults() Plan {
	if p.Codec == "" {
		p.Codec = "f32"
	}
	if p.Index == "" {
		p.Index = "flat"
	}
	if p.Index == "hnsw" {
		if p.M == 0 {
			p.M = defaultM
		}
		if p.EfC == 0 {
			p.EfC = defaultEfC
		}
	}
	return p
}

// Fits says whether p can be built for n vectors of dim dimensions under metric m, and if not why, and what would do.
func (p Plan) Fits(n, dim int, m vec.Metric) error {
	switch {
	case p.PCA != (PCA{}) && m == vec.Manhattan:
		return fmt.Errorf("plan: %s: PCA rotates the vectors, and l1 distances change with a rotation; leave pca out or use l2", p)
	case strings.HasPrefix(p.withDefaults().Codec, "rabitq") && m == vec.Manhattan:
		return fmt.Errorf("plan: %s: rabitq rotates the vectors, and l1 distances change with a rotation; use another codec or l2", p)
	case p.PCA.Components > min(n, dim):
		return fmt.Errorf("plan: %s: %d components wanted of %d vectors with %d dimensions; at most %d: %w",
			p, p.PCA.Components, n, dim, min(n, dim), vec.ErrTooFew)
	}
	return nil
}

func stageNamed(name string) (stage, bool) {
	for _, s := range stages {
		if s.name == name {
			return s, true
		}
	}
	return stage{}, false
}

func stageNames() string {
	var names []string
	for _, s := range stages {
		names = append(names, s.name)
	}
	return strings.Join(names, ", ")
}

func none(args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("takes no argument, has %q", strings.Join(args, ","))
	}
	return nil
}

func codec(name string) func(*Plan, []string) error {
	return func(p *Plan, args []string) error {
		p.Codec = name
		return none(args)
	}
}

func parsePCA(p *Plan, args []string) error {
	const want = "want a number of components, as in pca:110, or a share of the variance, as in pca:0.95"
	if len(args) != 1 {
		return fmt.Errorf("%d arguments; %s", len(args), want)
	}
	if n, err := strconv.Atoi(args[0]); err == nil && n > 0 {
		p.PCA.Components = n
		return nil
	}
	if v, err := strconv.ParseFloat(args[0], 64); err == nil && v > 0 && v < 1 {
		p.PCA.Variance = v
		return nil
	}
	return fmt.Errorf("%q; %s", args[0], want)
}

// parsePQ reads the parts of a product quantiser, and their bits: 98, 98x8 or 98x4.
func parsePQ(name string) func(*Plan, []string) error {
	return func(p *Plan, args []string) error {
		if len(args) != 1 {
			return fmt.Errorf("%d arguments; want the number of parts, as in %s:64 or %[2]s:64x4", len(args), name)
		}
		m, bits, _ := strings.Cut(args[0], "x")
		n, err := strconv.Atoi(m)
		if err != nil || n < 1 || n > 1<<16 || bits != "" && bits != "4" && bits != "8" || strings.HasSuffix(args[0], "x") {
			return fmt.Errorf("%q; want the number of parts, as in %s:64, or with their bits, 8 or 4, as in %[2]s:64x4", args[0], name)
		}
		p.Codec = name + ":" + strconv.Itoa(n)
		if bits == "4" {
			p.Codec += "x4"
		}
		return nil
	}
}

func parseRaBitQ(p *Plan, args []string) error {
	if len(args) == 0 {
		p.Codec = "rabitq:1"
		return nil
	}
	if n, err := strconv.Atoi(args[0]); len(args) > 1 || err != nil || n < 1 || n > 8 {
		return fmt.Errorf("%q; want 1 to 8 bits a dimension, as in rabitq:2", strings.Join(args, ","))
	}
	p.Codec = "rabitq:" + args[0]
	return nil
}

func parseHNSW(p *Plan, args []string) error {
	p.Index = "hnsw"
	for i, a := range args {
		if a == "order="+orderLID {
			p.Order = orderLID
			continue
		}
		field, text, least, most := &p.M, a, 2, 512
		if key, v, ok := strings.Cut(a, "="); ok && key == "efc" {
			field, text, least, most = &p.EfC, v, 1, 100_000
		} else if ok || i > 0 {
			return fmt.Errorf("%q; want hnsw:M, hnsw:M,efc=N or hnsw:M,efc=N,order=lid", a)
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < least || n > most {
			return fmt.Errorf("%q is not a number from %d to %d", text, least, most)
		}
		*field = n
	}
	*p = p.withDefaults()
	return nil
}

func parseIVF(p *Plan, args []string) error {
	p.Index = "ivf"
	if len(args) == 0 {
		return nil
	}
	n, err := strconv.Atoi(args[0])
	if len(args) > 1 || err != nil || n < 1 || n > 1<<20 {
		return fmt.Errorf("%q; want the number of lists, as in ivf:1024, or ivf alone", strings.Join(args, ","))
	}
	p.Lists = n
	return nil
}

func parseRerank(p *Plan, args []string) error {
	if len(args) == 1 {
		if n, err := strconv.Atoi(args[0]); err == nil && n >= 1 && n <= 10_000 {
			p.Rerank = n
			return nil
		}
	}
	return fmt.Errorf("%q; want how many candidates to fetch for each neighbour, as in rerank:4", strings.Join(args, ","))
}
