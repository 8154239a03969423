package dataset_test

import (
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"

	"github.com/latent-go/latent/dataset"
	"github.com/latent-go/latent/vec"
)

func ExampleLoad() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "cities.jsonl")
	err = os.WriteFile(path, []byte(`{"id": "oslo", "country": "Norway", "embedding": [0.5, 1, -2]}
{"id": "rome", "country": "Italy", "embedding": [0.25, 3, 4]}
`), 0o600)
	if err != nil {
		log.Fatal(err)
	}
	set, err := dataset.Load(path, dataset.Options{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(set.X.Rows, "rows of", set.X.Cols)
	fmt.Println(set.IDs[1], set.Column("country")[1], set.X.Row(1))
	// Output:
	// 2 rows of 3
	// rome Italy [0.25 3 4]
}

func ExampleFile_Next() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "words.vec")
	err = os.WriteFile(path, []byte("3 2\nsun 1 0\nmoon 0 1\nstar 1 1\n"), 0o600)
	if err != nil {
		log.Fatal(err)
	}
	f, err := dataset.Open(path, dataset.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	block := vec.NewMatrix(2, f.Dim()) // of any size: memory does not grow with the file
	for {
		n, err := f.Next(block)
		if err == io.EOF {
			break
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(f.IDs(), block.Slice(0, n).Data)
	}
	// Output:
	// [sun moon] [1 0 0 1]
	// [star] [1 1]
}
