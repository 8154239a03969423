package recipe

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"

	"github.com/latent-go/latent/measure/entropy"
	"github.com/latent-go/latent/report"
	"github.com/latent-go/latent/vec"
)

// latent reproduce dse: about 2 minutes on 2 cores.
var dse = Recipe{
	Name: "dse", Paper: 10, Package: "measure/entropy",
	Claim: "Diffusion spectral entropy grows with the number of directions that data has, through noise, where binned entropy says log n whatever there is; " +
		"and the mutual information made of it rises in training for networks that learn true labels, not for those that learn shuffled ones.",
	Data: "500 rows of 1,024 numbers of which d vary; four Gaussian classes; and for each seed two networks 784-256-64-10 on 4,000 Fashion-MNIST images, one with " +
		"shuffled labels, looked at through 1,000 held-out images. The paper trains ResNets and others on MNIST, CIFAR-10 and STL-10.",
	Minutes: 2, Run: runDSE,
}

var (
	dseDirections = []int{50, 200, 400, 700, 1024}
	dseNoises     = []float64{0, 0.1, 0.5}
	dseApart      = []float64{0, 5, 10, 20, 40}
	dseEpochs     = []int{0, 1, 2, 4, 7, 12, 20, 30, 40}
)

func runDSE(ctx context.Context, e *Env) (*Evidence, error) {
	ev := &Evidence{
		Measure:  "bits by which entropy at 1,024 directions exceeds that at 50, with noise of 0.1; higher tells more",
		Baseline: Figures{Method: "binned Shannon entropy"},
		Ours:     Figures{Method: "diffusion spectral entropy"},
	}
	if err := dseCurve(ctx, e, ev); err != nil {
		return nil, err
	}
	if err := dseClasses(ctx, e, ev); err != nil {
		return nil, err
	}
	if err := dseTraining(ctx, e, ev); err != nil {
		return nil, err
	}
	ev.Notes = append(ev.Notes,
		"Noise is uniform between ± its level and added to every number. The bandwidth is the paper's 10, but where the first one is named: the median distance between features before training, kept.",
		"The bandwidth decides: with the first one the table shows DSMI falling again, as features of a trained network lie many times as far apart, and every row stands alone; both checks of training fail.",
		"A network that memorises shuffled labels does come to know something of the true ones, in our small case half as much as one that learns them: the paper's figures show it flat.",
		"Held-out images keep their true labels for both networks.")
	return ev, nil
}

// dseCurve is entropy against the number of directions, at several levels of noise.
func dseCurve(ctx context.Context, e *Env, ev *Evidence) error {
	n, d, directions := 500, 1024, dseDirections
	if e.Miniature {
		n, d, directions = 60, 64, []int{4, 16, 64}
	}
	bits := make([][][]float64, len(dseNoises)) // by noise, directions, seed
	binned := make([][][]float64, len(dseNoises))
	rise, moved, flat := math.Inf(1), 0.0, 0.0
	for i := range dseNoises {
		bits[i], binned[i] = make([][]float64, len(directions)), make([][]float64, len(directions))
	}
	for s, seed := range e.Seeds {
		e.Progress("entropy against directions", s, len(e.Seeds))
		for j, free := range directions {
			for i, noise := range dseNoises {
				x := directed(n, d, free, noise, seed)
				r, err := entropy.DSE(ctx, x, entropy.Options{Sigma: entropy.PaperSigma})
				if err != nil {
					return err
				}
				c, err := entropy.CSE(x, 2)
				if err != nil {
					return err
				}
				bits[i][j], binned[i][j] = append(bits[i][j], r.EntropyBits), append(binned[i][j], c)
				flat = max(flat, math.Abs(c-math.Log2(float64(n))))
				if noise > 0.1 {
					continue
				}
				moved = max(moved, math.Abs(r.EntropyBits-bits[0][j][s]))
				if j > 0 {
					rise = min(rise, r.EntropyBits-bits[i][j-1][s])
				}
			}
		}
		ev.Baseline.Values = append(ev.Baseline.Values, binned[1][len(directions)-1][s]-binned[1][0][s])
		ev.Ours.Values = append(ev.Ours.Values, bits[1][len(directions)-1][s]-bits[1][0][s])
	}
	ev.Checks = append(ev.Checks,
		AtLeast("least rise of DSE from one number of directions to the next, noise up to 0.1, bits", rise, 0.01),
		AtMost("most that noise of 0.1 moves DSE, bits", moved, 0.5),
		AtMost("most that binned entropy differs from log2 n, bits", flat, 0.05))
	t := NamedTable{fmt.Sprintf("Entropy of %d rows, bits", n), report.Table{Head: []string{"directions", "noise", "DSE", "binned entropy"}}}
	chart := report.Lines{Title: "Entropy against the directions that data has", X: "directions of 1,024 that vary", Y: "bits"}
	for i, noise := range dseNoises {
		s := report.Series{Name: fmt.Sprintf("DSE, noise %g", noise)}
		for j, free := range directions {
			f := Figures{Values: bits[i][j]}
			s.X, s.Y = append(s.X, float64(free)), append(s.Y, f.Mean())
			c := Figures{Values: binned[i][j]}
			t.Rows = append(t.Rows, []string{fmt.Sprint(free), fmt.Sprint(noise), plusMinus(f.Mean(), f.SD()), plusMinus(c.Mean(), c.SD())})
		}
		chart.Series = append(chart.Series, s)
	}
	flatLine := report.Series{Name: "binned"}
	for j, free := range directions {
		flatLine.X, flatLine.Y = append(flatLine.X, float64(free)), append(flatLine.Y, Figures{Values: binned[0][j]}.Mean())
	}
	chart.Series = append(chart.Series, flatLine)
	ev.Tables, ev.Charts = append(ev.Tables, t), append(ev.Charts, chart)
	return nil
}

// directed draws n rows of d numbers of which the first free vary between -1 and 1, and adds uniform noise to all.
func directed(n, d, free int, noise float64, seed uint64) vec.Matrix {
	r := rand.New(rand.NewPCG(seed, 0xd5e))
	x := vec.NewMatrix(n, d)
	for i := range n {
		row := x.Row(i)
		for j := range row {
			v, u := r.Float64()*2-1, r.Float64()*2-1
			if j < free {
				row[j] = float32(v)
			}
			row[j] += float32(noise * u)
		}
	}
	return x
}

// dseClasses is mutual information with the labels of Gaussian classes further and further apart.
func dseClasses(ctx context.Context, e *Env, ev *Evidence) error {
	const each, classes, d = 100, 4, 16
	rise, at20, chance := math.Inf(1), math.Inf(1), 0.0
	t := NamedTable{"Mutual information with 4 classes of 100 rows, bits", report.Table{Head: []string{"distance of class means from 0", "DSMI", "labels shuffled"}}}
	known, shuffled := make([][]float64, len(dseApart)), make([][]float64, len(dseApart))
	for s, seed := range e.Seeds {
		e.Progress("classes apart", s, len(e.Seeds))
		r := rand.New(rand.NewPCG(seed, 0xc1a))
		x := vec.NewMatrix(each*classes, d)
		y := make([]int, x.Rows)
		for i := range x.Data {
			x.Data[i] = float32(r.NormFloat64())
		}
		for i := range y {
			y[i] = i % classes
		}
		for j, apart := range dseApart {
			moved := x.Clone()
			for i, c := range y {
				moved.Row(i)[c] += float32(apart)
			}
			o := entropy.Options{Sigma: entropy.PaperSigma, Seed: seed}
			m, err := entropy.DSMI(ctx, moved, y, o)
			if err != nil {
				return err
			}
			dealt := make([]int, len(y))
			for i, from := range r.Perm(len(y)) {
				dealt[i] = y[from]
			}
			none, err := entropy.DSMI(ctx, moved, dealt, o)
			if err != nil {
				return err
			}
			known[j], shuffled[j] = append(known[j], m.Bits), append(shuffled[j], none.Bits)
			chance = max(chance, math.Abs(none.Bits))
			if apart == 20 {
				at20 = min(at20, m.Bits)
			}
			if j > 0 && apart <= 20 {
				rise = min(rise, m.Bits-known[j-1][s])
			}
		}
	}
	for j, apart := range dseApart {
		k, n := Figures{Values: known[j]}, Figures{Values: shuffled[j]}
		t.Rows = append(t.Rows, []string{fmt.Sprint(apart), plusMinus(k.Mean(), k.SD()), plusMinus(n.Mean(), n.SD())})
	}
	ev.Tables = append(ev.Tables, t)
	ev.Checks = append(ev.Checks,
		AtLeast("least rise of DSMI as classes move apart, up to 20, bits", rise, 0.01),
		AtLeast("DSMI with classes 20 apart, least of seeds, bits", at20, 1.7),
		AtMost("size of DSMI with shuffled labels, most of seeds and distances, bits", chance, 0.03))
	return nil
}

// dseTraining follows two networks, one with true labels, one with shuffled ones.
func dseTraining(ctx context.Context, e *Env, ev *Evidence) error {
	rows, held, epochs, sizes := 4000, 1000, dseEpochs, []int{784, 256, 64, 10}
	if e.Miniature {
		rows, held, epochs, sizes = 120, 80, []int{0, 1, 2}, []int{64, 16, 8, 10}
	}
	all, err := pictureSet(ctx, e, "fashion-mnist", 255, rows+held)
	if err != nil {
		return err
	}
	names := []string{"true labels", "shuffled labels"}
	var bits, info, kept [2][][]float64 // by network, checkpoint, seed; kept is info with the median distance before training
	for k := range names {
		bits[k], info[k], kept[k] = make([][]float64, len(epochs)), make([][]float64, len(epochs)), make([][]float64, len(epochs))
	}
	var ends [2][]string
	var ratio, gain, keptRatio, keptGain []float64
	for s, seed := range e.Seeds {
		r := rand.New(rand.NewPCG(seed, 0x7ea))
		order := r.Perm(all.x.Rows)
		train, test := all.rows(order[:rows]), all.rows(order[rows:rows+held])
		dealt := make([]int, rows)
		for i, from := range r.Perm(rows) {
			dealt[i] = train.y[from]
		}
		var first float64 // median distance before training
		for k, y := range [][]int{train.y, dealt} {
			m := newMLP(seed, sizes...)
			look := func(at int) error {
				out := m.layers(test.x)
				features := out[len(out)-2]
				h, err := entropy.DSE(ctx, features, entropy.Options{Sigma: entropy.PaperSigma, Seed: seed})
				if err != nil {
					return err
				}
				mi, err := entropy.DSMI(ctx, features, test.y, entropy.Options{Sigma: entropy.PaperSigma, Seed: seed})
				if err != nil {
					return err
				}
				narrow, err := entropy.DSMI(ctx, features, test.y, entropy.Options{Sigma: first, Seed: seed})
				if err != nil {
					return err
				}
				first = narrow.Sigma
				bits[k][at], info[k][at], kept[k][at] = append(bits[k][at], h.EntropyBits), append(info[k][at], mi.Bits), append(kept[k][at], narrow.Bits)
				return nil
			}
			if err := look(0); err != nil {
				return err
			}
			next := 1
			o := training{epochs: epochs[len(epochs)-1], batch: 64, rate: 1e-3, seed: seed}
			err := m.train(ctx, train.x, y, o, func(epoch int) error {
				e.Progress(names[k], s*o.epochs+epoch, len(e.Seeds)*o.epochs)
				if epoch != epochs[next] {
					return nil
				}
				next++
				return look(next - 1)
			})
			if err != nil {
				return err
			}
			_, fitted := m.score(train.x, y)
			_, wrong := m.score(test.x, test.y)
			ends[k] = append(ends[k], fmt.Sprintf("%.1f %% and %.1f %%", 100*fitted, 100*wrong))
		}
		last := len(epochs) - 1
		ratio = append(ratio, info[0][last][s]/info[1][last][s])
		gain = append(gain, info[0][last][s]-info[0][0][s])
		keptRatio = append(keptRatio, kept[0][last][s]/kept[1][last][s])
		keptGain = append(keptGain, kept[0][last][s]-kept[0][0][s])
	}
	ev.Checks = append(ev.Checks,
		AtLeast("DSMI of the network with true labels over that with shuffled ones, at the end, bandwidth 10, least of seeds", least(ratio), 2),
		AtLeast("rise of DSMI in training with true labels, bandwidth 10, least of seeds, bits", least(gain), 0.2),
		AtLeast("DSMI of the network with true labels over that with shuffled ones, at the end, first bandwidth, least of seeds", least(keptRatio), 2),
		AtLeast("rise of DSMI in training with true labels, first bandwidth, least of seeds, bits", least(keptGain), 0.2))
	t := NamedTable{"Two networks in training, bits", report.Table{Head: []string{"epoch", "DSE, true labels", "DSE, shuffled", "DSMI, true labels", "DSMI, shuffled", "DSMI, true, first bandwidth", "shuffled, first bandwidth"}}}
	entropies := report.Lines{Title: "Entropy of the 64 features in training", X: "epoch", Y: "DSE, bits"}
	infos := report.Lines{Title: "What the features know of the true labels", X: "epoch", Y: "DSMI, bits"}
	for k, name := range names {
		h, i := report.Series{Name: name}, report.Series{Name: name}
		for at, epoch := range epochs {
			h.X, h.Y = append(h.X, float64(epoch)), append(h.Y, Figures{Values: bits[k][at]}.Mean())
			i.X, i.Y = append(i.X, float64(epoch)), append(i.Y, Figures{Values: info[k][at]}.Mean())
		}
		entropies.Series, infos.Series = append(entropies.Series, h), append(infos.Series, i)
	}
	for at, epoch := range epochs {
		row := []string{fmt.Sprint(epoch)}
		for _, v := range [][]float64{bits[0][at], bits[1][at], info[0][at], info[1][at], kept[0][at], kept[1][at]} {
			f := Figures{Values: v}
			row = append(row, plusMinus(f.Mean(), f.SD()))
		}
		t.Rows = append(t.Rows, row)
	}
	ev.Tables = append(ev.Tables, t)
	ev.Charts = append(ev.Charts, entropies, infos)
	for k, name := range names {
		ev.Notes = append(ev.Notes, fmt.Sprintf("In error at the end with %s, of the rows trained on and of held-out rows with true labels, each seed: %s.", name, strings.Join(ends[k], "; ")))
	}
	return nil
}

func least(v []float64) float64 {
	m := math.Inf(1)
	for _, x := range v {
		m = min(m, x)
	}
	return m
}
