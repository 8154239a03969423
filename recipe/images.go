package recipe

import (
	"context"
	"math"
	"math/rand/v2"

	"github.com/latent-go/latent/dataset/catalog"
	"github.com/latent-go/latent/vec"
)

// pictures are images, a row each, with a class each.
type pictures struct {
	x vec.Matrix // values from 0 to 1
	y []int
}

// pictureSet returns the images of a data set, their values divided by white. A miniature makes do with n generated rows of
// 64 numbers in 10 classes, and needs no file.
func pictureSet(ctx context.Context, e *Env, name string, white float32, n int) (*pictures, error) {
	if e.Miniature {
		return blobs(n), nil
	}
	set, err := catalog.Load(ctx, name, catalog.Options{})
	if err != nil {
		return nil, err
	}
	x := vec.NewMatrix(set.Train.Rows, set.Train.Cols)
	vec.Scale(x.Data, set.Train.Data, 1/white)
	return &pictures{x, set.TrainLabels}, nil
}

func blobs(n int) *pictures {
	const d, classes = 64, 10
	r := rand.New(rand.NewPCG(1, 0xb10b))
	p := &pictures{vec.NewMatrix(n, d), make([]int, n)}
	for i := range n {
		p.y[i] = i % classes
		row := p.x.Row(i)
		for j := range row {
			row[j] = float32(0.3 * r.Float64())
			if j%classes == p.y[i] {
				row[j] += 0.3
			}
		}
	}
	return p
}

// moveRight moves image i, a square, by some pixels; what comes in is 0.
func (p *pictures) moveRight(i, by int) {
	side := int(math.Sqrt(float64(p.x.Cols)))
	for at := 0; at+side <= p.x.Cols; at += side {
		row := p.x.Row(i)[at : at+side]
		copy(row[by:], row[:side-by])
		clear(row[:by])
	}
}

// rows are those pictures of p.
func (p *pictures) rows(ids []int) *pictures {
	out := &pictures{p.x.Gather(ids), make([]int, len(ids))}
	for i, id := range ids {
		out.y[i] = p.y[id]
	}
	return out
}
