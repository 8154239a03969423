package ivf_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/latent-go/latent/dataset"
	"github.com/latent-go/latent/index"
	"github.com/latent-go/latent/index/ivf"
	"github.com/latent-go/latent/quantize/product"
	"github.com/latent-go/latent/vec"
)

// A thousand points of the plane in a byte each, by what they differ in from the nearest of 16 centroids.
func Example() {
	x := vec.NewMatrix(1000, 2)
	r := rand.New(rand.NewPCG(1, 1))
	for i := range x.Data {
		x.Data[i] = r.Float32()
	}
	ctx := context.Background()
	lists, err := ivf.Train(ctx, x, ivf.Options{Lists: 16, Residual: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	residuals, _ := lists.Residuals(ctx, x)
	codec, err := product.Fit(ctx, residuals, product.Options{M: 2, Bits: 4})
	if err != nil {
		fmt.Println(err)
		return
	}
	ix, _ := ivf.New(codec, lists)
	if err := ix.Add(ctx, nil, x); err != nil {
		fmt.Println(err)
		return
	}
	res, _ := ix.Search(ctx, []float32{0.5, 0.5}, index.Query{K: 1, Effort: 4})
	near := x.Row(int(res.Hits[0].ID))
	fmt.Println(codec.CodeSize(), "byte, found one within 0.05:", vec.SquaredL2(near, []float32{0.5, 0.5}) < 0.05*0.05)
	// Output: 1 byte, found one within 0.05: true
}

// A file may be larger than memory: lists and codec are fitted on a sample of it, vectors pass by in blocks, of which codes
// stay, and what a search finds is measured again where it lies in the file.
func Example_file() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "vectors.npy")
	r := rand.New(rand.NewPCG(2, 2))
	all := vec.NewMatrix(10_000, 16)
	for i := range all.Data {
		all.Data[i] = r.Float32()
	}
	if err := dataset.Save(path, &dataset.Set{X: all}); err != nil {
		fmt.Println(err)
		return
	}

	file, err := dataset.Map(path, dataset.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer file.Close()
	sample := vec.NewMatrix(2000, file.Dim())
	for i := range sample.Rows { // from all over the file, for it may be sorted
		copy(sample.Row(i), file.Row(i*file.Rows()/sample.Rows))
	}
	lists, err := ivf.Train(ctx, sample, ivf.Options{Lists: 32})
	if err != nil {
		fmt.Println(err)
		return
	}
	codec, err := product.Fit(ctx, sample, product.Options{M: 8, Bits: 4})
	if err != nil {
		fmt.Println(err)
		return
	}
	ix, _ := ivf.New(codec, lists)
	for lo := 0; lo < file.Rows(); lo += 4096 {
		if err := ix.Add(ctx, nil, file.Slice(lo, min(lo+4096, file.Rows()))); err != nil {
			fmt.Println(err)
			return
		}
	}
	q := all.Row(1234)
	res, _ := ix.Search(ctx, q, index.Query{K: 100, Effort: 8})
	nearest := vec.NewTopK(3)
	for _, h := range res.Hits {
		nearest.Push(vec.SquaredL2(q, file.Row(int(h.ID))), h.ID)
	}
	ids, distances := nearest.Append(nil, nil)
	fmt.Printf("%d vectors in %d bytes each; %d candidates, the nearest %d at %v\n", ix.Len(), codec.CodeSize(), len(res.Hits), ids[0], distances[0])
	// Output: 10000 vectors in 4 bytes each; 100 candidates, the nearest 1234 at 0
}
