package qlgan_test

import (
	"context"
	"fmt"

	"github.com/latent-go/latent/dataset/synthetic"
	"github.com/latent-go/latent/model/qlgan"
	"github.com/latent-go/latent/nn"
)

func Example() {
	ctx := context.Background()
	x, err := synthetic.Mixed{Factors: 2, Levels: 4, Columns: 12, Seed: 1}.Generate(ctx) // 16 rows, of two sources
	if err != nil {
		fmt.Println(err)
		return
	}
	feed, err := nn.Batches(nn.BatchOptions{Size: 16}, nn.Rows(x))
	if err != nil {
		fmt.Println(err)
		return
	}
	w, err := nn.New(1)
	if err != nil {
		fmt.Println(err)
		return
	}
	m := qlgan.New(x.Cols, qlgan.Options{Latents: 2, Values: 4, Width: 32})
	report, err := m.Train(ctx, w, feed, nn.Options{Steps: 600, Rate: 3e-3}) // far too few, but quick
	if err != nil {
		fmt.Println(err)
		return
	}
	z, err := w.Apply(ctx, m.Latents, x)
	if err != nil {
		fmt.Println(err)
		return
	}
	back, err := w.Apply(ctx, m.Generate, z)
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := m.Codec(w)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%d steps, 100 of them the generator's\n", report.Steps)
	fmt.Printf("latents: %d×%d, %d bits a row; made of them: %d×%d\n", z.Rows, z.Cols, c.Bits(), back.Rows, back.Cols)
	// Output:
	// 600 steps, 100 of them the generator's
	// latents: 16×2, 4 bits a row; made of them: 16×12
}
