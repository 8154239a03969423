package recipe

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/report"
)

// Record writes the result to dir, as docs/results keeps it: NAME.md, and NAME.svg or NAME-1.svg, NAME-2.svg, … with
// its charts.
func (r *Result) Record(dir string) error {
	images := make([]string, len(r.evidence.Charts))
	for i, c := range r.evidence.Charts {
		images[i] = r.Name + ".svg"
		if len(images) > 1 {
			images[i] = fmt.Sprintf("%s-%d.svg", r.Name, i+1)
		}
		err := artifact.Atomic(filepath.Join(dir, images[i]), func(w io.Writer) error { return report.WriteSVG(w, c) })
		if err != nil {
			return fmt.Errorf("recipe: %s: %w", r.Name, err)
		}
	}
	err := artifact.Atomic(filepath.Join(dir, r.Name+".md"), func(w io.Writer) error {
		_, err := w.Write(r.markdown(images))
		return err
	})
	if err != nil {
		return fmt.Errorf("recipe: %s: %w", r.Name, err)
	}
	return nil
}

func (r *Result) markdown(images []string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %s: %s\n\n", r.Name, r.Verdict)
	if r.Paper > 0 {
		p := Papers[r.Paper-1]
		fmt.Fprintf(&b, "Paper %d: [%s](https://arxiv.org/abs/%s). ", p.Number, p.Title, p.ArXiv)
	}
	fmt.Fprintf(&b, "Package [%s](../../%s).\n\n", r.recipe.Package, r.recipe.Package)
	fmt.Fprintf(&b, "**Claim.** %s\n\n**Data.** %s\n\n", r.Claim, r.Data)
	fmt.Fprintf(&b, "**Measure.** %s\n\n| | method | mean ± sd over seeds | each seed |\n|---|---|---|---|\n", r.Measure)
	for _, row := range []struct {
		role string
		f    Figures
	}{{"baseline", r.Baseline}, {"ours", r.Ours}} {
		var each []string
		for _, v := range row.f.Values {
			each = append(each, fmt.Sprintf("%.4g", v))
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", row.role, row.f.Method, plusMinus(row.f.Mean(), row.f.SD()), strings.Join(each, ", "))
	}
	b.WriteString("\n**Checks.** The claim holds if all do, fails if none does.\n\n| | check | got | | bound |\n|---|---|---|---|---|\n")
	for _, c := range r.Checks {
		mark := "held"
		if !c.Holds {
			mark = "**not held**"
		}
		fmt.Fprintf(&b, "| %s | %s | %.4g | %s | %.4g |\n", mark, c.Text, c.Got, c.Rule, c.Bound)
	}
	for _, t := range r.evidence.Tables {
		fmt.Fprintf(&b, "\n## %s\n\n| %s |\n|%s\n", t.Title, strings.Join(t.Head, " | "), strings.Repeat("---|", len(t.Head)))
		for _, row := range t.Rows {
			fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
		}
	}
	for _, i := range images {
		fmt.Fprintf(&b, "\n![%s](%s)\n", strings.TrimSuffix(i, ".svg"), i)
	}
	if len(r.Notes) > 0 {
		b.WriteString("\n## What differs, what falls short\n\n")
		for _, n := range r.Notes {
			fmt.Fprintf(&b, "- %s\n", n)
		}
	}
	fmt.Fprintf(&b, "\nRun with `latent reproduce %s --seeds %d` in %.0f s, %.0f s of processor time, on %s.\n", r.Name, len(r.Seeds), r.Seconds, r.CPU, r.Machine)
	return b.Bytes()
}

// Index returns docs/papers.md: every paper, and the recipes that test it. What has none is shown as such.
func Index() []byte {
	var b bytes.Buffer
	b.WriteString("# The papers\n\nWritten by `latent reproduce list --markdown` from the registry of recipes, so that it cannot claim what does not run.\n\n")
	b.WriteString("| | paper | package | recipe | recorded run |\n|---|---|---|---|---|\n")
	here := 0
	for _, p := range Papers {
		row := fmt.Sprintf("| %d | [%s](https://arxiv.org/abs/%s) |", p.Number, p.Title, p.ArXiv)
		found := false
		for _, r := range All {
			if r.Paper == p.Number {
				fmt.Fprintf(&b, "%s [%s](../%s) | `%s` | [result](results/%s.md) |\n", row, r.Package, r.Package, r.Name, r.Name)
				found = true
			}
		}
		if !found {
			fmt.Fprintf(&b, "%s | not yet here | |\n", row)
			continue
		}
		here++
	}
	fmt.Fprintf(&b, "\n%d of %d papers have a recipe.\n\n## Of no one paper\n\n| recipe | package | recorded run |\n|---|---|---|\n", here, len(Papers))
	for _, r := range All {
		if r.Paper == 0 {
			fmt.Fprintf(&b, "| `%s` | [%s](../%s) | [result](results/%s.md) |\n", r.Name, r.Package, r.Package, r.Name)
		}
	}
	return b.Bytes()
}
