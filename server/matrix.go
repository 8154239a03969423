package server

import (
	"github.com/latent-go/latent/collection"
	"github.com/latent-go/latent/collection/filter"
	"github.com/latent-go/latent/collection/point"
	"github.com/latent-go/latent/server/wire"
)

func (c *call) matrix() (*collection.Matrix, error) {
	var body struct {
		Filter *filter.Filter `json:"filter"`
		Sample *int64         `json:"sample"`
		Limit  *int64         `json:"limit"`
		Using  string         `json:"using"`
	}
	col, ctx, cancel, err := c.on(&body)
	if err != nil {
		return nil, err
	}
	defer cancel()
	q := collection.MatrixQuery{Using: body.Using, Filter: body.Filter}
	if q.Sample, err = wire.Count("sample", body.Sample, wire.Default, 2); err != nil {
		return nil, err
	}
	if err := wire.CheckSample(q.Sample); err != nil {
		return nil, err
	}
	if q.Limit, err = wire.Count("limit", body.Limit, wire.DefaultSize, 1); err != nil {
		return nil, err
	}
	return col.DistanceMatrix(ctx, q)
}

func matrixPairs(c *call) (any, error) {
	m, err := c.matrix()
	if err != nil {
		return nil, err
	}
	type pair struct {
		A     point.ID `json:"a"`
		B     point.ID `json:"b"`
		Score score    `json:"score"`
	}
	pairs := []pair{}
	for i, edges := range m.Near {
		for _, e := range edges {
			pairs = append(pairs, pair{m.IDs[i], m.IDs[e.To], score(e.Score)})
		}
	}
	return map[string]any{"pairs": pairs}, nil
}

func matrixOffsets(c *call) (any, error) {
	m, err := c.matrix()
	if err != nil {
		return nil, err
	}
	out := struct {
		Rows   []int      `json:"offsets_row"`
		Cols   []int      `json:"offsets_col"`
		Scores []score    `json:"scores"`
		IDs    []point.ID `json:"ids"`
	}{[]int{}, []int{}, []score{}, append([]point.ID{}, m.IDs...)}
	for i, edges := range m.Near {
		for _, e := range edges {
			out.Rows, out.Cols, out.Scores = append(out.Rows, i), append(out.Cols, e.To), append(out.Scores, score(e.Score))
		}
	}
	return out, nil
}
