package synthetic_test

import (
	"context"
	"fmt"

	"github.com/latent-go/latent/dataset/synthetic"
)

// One triangle, by the row of its levels.
func ExampleSprites() {
	s := synthetic.Sprites{Size: 16, X: 3, Y: 3, Scales: 2, Rotations: 2, Colours: 1}
	d := s.Design()
	x, err := s.Generate(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(d, x.Rows, "images")
	img := x.Row(d.Row(0, 2, 1, 0, 2)) // left, low, large, upright, the third shape
	for y := 5; y < 15; y++ {
		fmt.Print("|")
		for _, v := range img[y*16 : y*16+16] {
			fmt.Print(string(" .:*#"[int(v*4)]))
		}
		fmt.Println("|")
	}
	// Output:
	// [{x 3} {y 3} {scale 2} {rotation 2} {shape 3}] 108 images
	// |                |
	// |    ..          |
	// |    **          |
	// |   .##.         |
	// |   *##*         |
	// |  :####:        |
	// |  *####*        |
	// | *######*       |
	// | ::::::::       |
	// |                |
}
