package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/report"
)

// line is a setting's figures, as peers.py writes them.
type line struct {
	Data        string  `json:"data"`
	N           int     `json:"n"`
	D           int     `json:"d"`
	Metric      string  `json:"metric"`
	Threads     int     `json:"threads"`
	Clock       string  `json:"clock"`
	Machine     string  `json:"machine"`
	Engine      string  `json:"engine"`
	Version     string  `json:"version"`
	Name        string  `json:"name"`
	Class       string  `json:"class"`
	Twins       string  `json:"twins"` // what it shares with those built alike; "" if there is none
	Build       float64 `json:"build_s"`
	Bytes       float64 `json:"bytes"`
	RerankBytes float64 `json:"rerank_bytes"`
	Recall      float64 `json:"recall"`
	QPS         float64 `json:"qps"`
	Low         float64 `json:"qps_lo"`
	High        float64 `json:"qps_hi"`
	Runs        int     `json:"runs"`
}

// targets are the recalls at which engines are compared.
var targets = []float64{0.90, 0.95, 0.99}

func writeReport(path, dir string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var all []line
	for d := json.NewDecoder(f); ; {
		var l line
		if err := d.Decode(&l); err == io.EOF {
			break
		} else if err != nil {
			return fmt.Errorf("%s: line %d: %w", path, len(all)+1, err)
		}
		all = append(all, l)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Beside hnswlib, Faiss and usearch\n\nWritten by `make bench-peers`, from [%s](%s): `bench/peers/peers.py --help` says how it is measured.\n", filepath.Base(path), filepath.Base(path))
	fmt.Fprintf(&b, "Queries a second at a recall@10, on the line between the two settings next to it of those that none beats; `>`: even the fastest setting\n"+
		"tried is above; `-`: none reaches it. Spread is that between the slowest and the fastest run over the median, at the median setting.\n")
	type group struct {
		data    string
		threads int
	}
	var groups []group
	for _, l := range all {
		if g := (group{l.Data, l.Threads}); !slices.Contains(groups, g) {
			groups = append(groups, g)
		}
	}
	slices.SortFunc(groups, func(a, b group) int { return cmp.Or(cmp.Compare(a.data, b.data), cmp.Compare(a.threads, b.threads)) })
	for _, g := range groups {
		var lines []line
		for _, l := range all {
			if l.Data == g.data && l.Threads == g.threads {
				lines = append(lines, l)
			}
		}
		curves := curvesOf(lines)
		write(&b, lines[0], curves)
		if chart := chartOf(lines[0], curves); len(chart.Series) > 0 {
			name := fmt.Sprintf("peers-%s-%d.svg", g.data, g.threads)
			if err := artifact.Atomic(filepath.Join(dir, name), func(w io.Writer) error { return report.WriteSVG(w, chart) }); err != nil {
				return err
			}
			fmt.Fprintf(&b, "\n![recall against queries a second](%s)\n", name)
		}
	}
	return artifact.Atomic(filepath.Join(dir, "peers.md"), func(w io.Writer) error { _, err := w.Write(b.Bytes()); return err })
}

// curve is one index's settings, by rising recall.
type curve struct {
	line  // of any setting
	front []line
	all   []line
}

func curvesOf(lines []line) (out []*curve) {
	byName := map[string]*curve{}
	for _, l := range lines {
		c := byName[l.Name]
		if c == nil {
			c = &curve{line: l}
			byName[l.Name] = c
			out = append(out, c)
		}
		c.all = append(c.all, l)
	}
	for _, c := range out {
		slices.SortFunc(c.all, func(a, b line) int { return cmp.Or(cmp.Compare(b.Recall, a.Recall), cmp.Compare(b.QPS, a.QPS)) })
		for _, l := range c.all {
			if len(c.front) == 0 || l.QPS > c.front[len(c.front)-1].QPS {
				c.front = append(c.front, l)
			}
		}
		slices.Reverse(c.front)
	}
	return out
}

// at is the speed at a recall, 0 if it is not reached, and whether the fastest setting is above it.
func (c *curve) at(recall float64) (qps float64, above bool) {
	i := slices.IndexFunc(c.front, func(l line) bool { return l.Recall >= recall })
	switch {
	case i < 0:
		return 0, false
	case i == 0:
		return c.front[0].QPS, c.front[0].Recall > recall
	}
	lo, hi := c.front[i-1], c.front[i]
	t := (recall - lo.Recall) / (hi.Recall - lo.Recall)
	return math.Exp(math.Log(lo.QPS) + t*(math.Log(hi.QPS)-math.Log(lo.QPS))), false
}

func (c *curve) spread() float64 {
	var s []float64
	for _, l := range c.all {
		s = append(s, (l.High-l.Low)/l.QPS)
	}
	slices.Sort(s)
	return s[len(s)/2]
}

func write(b *bytes.Buffer, l line, curves []*curve) {
	how := "one query a call, processor time of one thread"
	if l.Threads > 1 {
		how = fmt.Sprintf("all queries in one call, %d threads", l.Threads)
	}
	if l.Clock == "wall" {
		how = strings.Replace(how, "processor time of one thread", "one thread, wall clock", 1)
	}
	fmt.Fprintf(b, "\n## %s, %d × %d, %s: %s\n\n%s, medians of %d interleaved runs of 1,000 queries.\n\n", l.Data, l.N, l.D, l.Metric, how, l.Machine, l.Runs)
	fmt.Fprintf(b, "| index | build s | MB, and to re-rank with |")
	for _, t := range targets {
		fmt.Fprintf(b, " @%.2f |", t)
	}
	fmt.Fprintf(b, " best recall | spread |\n|---|---|---|%s---|---|\n", strings.Repeat("---|", len(targets)))
	for _, c := range curves {
		name := c.Name
		if c.Version != "" && c.Engine != "latent" {
			name += " (" + c.Version + ")"
		}
		fmt.Fprintf(b, "| %s | %.1f | %.0f + %.0f |", name, c.Build, c.Bytes/1e6, c.RerankBytes/1e6)
		for _, t := range targets {
			fmt.Fprintf(b, " %s |", shown(c.at(t)))
		}
		fmt.Fprintf(b, " %.4f | %.0f %% |\n", c.front[len(c.front)-1].Recall, 100*c.spread())
	}
	fmt.Fprintf(b, "\nThe fastest of latent over the fastest of the others:\n\n| |")
	for _, t := range targets {
		fmt.Fprintf(b, " @%.2f |", t)
	}
	fmt.Fprintf(b, "\n|---|%s\n", strings.Repeat("---|", len(targets)))
	for _, class := range [][2]string{{"graph", "float32 graph"}, {"", "any index"}, {"exact", "exact"}} {
		fmt.Fprintf(b, "| %s |", class[1])
		for _, t := range targets {
			var ours, theirs float64
			for _, c := range curves {
				if class[0] != "" && c.Class != class[0] || class[0] == "" && c.Class == "exact" {
					continue
				}
				if qps, _ := c.at(t); c.Engine == "latent" {
					ours = max(ours, qps)
				} else {
					theirs = max(theirs, qps)
				}
			}
			fmt.Fprintf(b, " %s |", ratio(ours, theirs))
		}
		fmt.Fprintln(b)
	}
	fmt.Fprintf(b, "\nLatent over the one that is built alike, at equal recall; for the build and the bytes with what re-ranks, less is better:\n\n| | build | bytes |")
	for _, t := range targets {
		fmt.Fprintf(b, " @%.2f |", t)
	}
	fmt.Fprintf(b, "\n|---|---|---|%s\n", strings.Repeat("---|", len(targets)))
	for _, ours := range curves {
		i := slices.IndexFunc(curves, func(c *curve) bool { return c.Twins != "" && c.Twins == ours.Twins && c.Engine != "latent" })
		if ours.Engine != "latent" || i < 0 {
			continue
		}
		theirs := curves[i]
		fmt.Fprintf(b, "| %s, %s | %s | %s |", ours.Twins, theirs.Engine, ratio(ours.Build, theirs.Build), ratio(ours.Bytes+ours.RerankBytes, theirs.Bytes+theirs.RerankBytes))
		for _, t := range targets {
			mine, _ := ours.at(t)
			other, _ := theirs.at(t)
			fmt.Fprintf(b, " %s |", ratio(mine, other))
		}
		fmt.Fprintln(b)
	}
}

func ratio(a, b float64) string {
	if a == 0 || b == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", a/b)
}

func shown(qps float64, above bool) string {
	switch {
	case qps == 0:
		return "-"
	case above:
		return fmt.Sprintf(">%.0f", qps)
	}
	return fmt.Sprintf("%.0f", qps)
}

func chartOf(l line, curves []*curve) report.Lines {
	c := report.Lines{Title: fmt.Sprintf("%s, %d × %d, %d thread", l.Data, l.N, l.D, l.Threads), X: "recall@10", Y: "queries a second", LogY: true}
	if l.Threads > 1 {
		c.Title += "s"
	}
	for _, v := range curves {
		if v.Class == "exact" {
			continue
		}
		s := report.Series{Name: v.Name}
		for _, p := range v.front {
			if p.Recall >= 0.8 {
				s.X, s.Y = append(s.X, p.Recall), append(s.Y, p.QPS)
			}
		}
		if len(s.X) > 0 {
			c.Series = append(c.Series, s)
		}
	}
	return c
}
