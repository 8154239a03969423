package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/latent-go/latent/dataset"
	"github.com/latent-go/latent/dataset/catalog"
	"github.com/latent-go/latent/model/sentence"
)

type embedFlags struct {
	out, model, column string
	maxTokens          int
}

// embedAnswer is what embed prints with --json.
type embedAnswer struct {
	Source     string `json:"source"`
	Out        string `json:"out"`
	Model      string `json:"model"`
	Texts      int    `json:"texts"`
	Dimensions int    `json:"dimensions"`
}

func newEmbed(e *env) *cobra.Command {
	var f embedFlags
	c := &cobra.Command{
		Use:   "embed TEXTS -o FILE",
		Short: "Turn texts into vectors with a trained sentence encoder",
		Long: `Turn texts into vectors with a trained sentence encoder: a vector of length 1 a text, near under cosine where the texts mean
alike.

TEXTS is a file with one text a line, or a column of JSONL, CSV, TSV or Parquet (--column). --model is a folder with
model.safetensors and tokenizer.json of a BERT encoder, or the name of a model that "latent data get" fetches.`,
		Example: `  latent embed titles.txt -o titles.npy
  latent embed papers.jsonl --column abstract -o papers.parquet
  latent measure titles.npy`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, a []string) error { return runEmbed(c.Context(), e, f, a[0]) },
	}
	c.Flags().StringVarP(&f.out, "out", "o", "", "the file to write, in the format of its ending; JSONL, CSV, TSV and Parquet hold the texts, too")
	c.Flags().StringVar(&f.model, "model", "minilm-l6", "a folder with the encoder, or its name in the catalogue")
	c.Flags().StringVar(&f.column, "column", "", "the column that has the texts")
	c.Flags().IntVar(&f.maxTokens, "max-tokens", sentence.MaxTokens, "cut longer texts")
	return c
}

func runEmbed(ctx context.Context, e *env, f embedFlags, arg string) error {
	if f.out == "" {
		return misuse("say where to write the vectors, with -o FILE")
	}
	if err := outputs(arg, f.out); err != nil {
		return err
	}
	texts, err := dataset.LoadLabels(arg, dataset.Options{Column: f.column})
	if err != nil {
		return err
	}
	p := e.progress()
	defer p.done()
	enc, err := openEncoder(ctx, p, f.model)
	if err != nil {
		return err
	}
	x, err := enc.Encode(ctx, texts.Names, sentence.Options{MaxTokens: f.maxTokens, Progress: p.of("texts")}) // each text once
	if err != nil {
		return err
	}
	column := dataset.Column{Name: "text", Values: make([]string, len(texts.Of))}
	for i, t := range texts.Of {
		column.Values[i] = texts.Names[t]
	}
	if err := dataset.Save(f.out, &dataset.Set{X: x.Gather(texts.Of), Columns: []dataset.Column{column}}); err != nil {
		return err
	}
	p.done()
	a := embedAnswer{Source: arg, Out: f.out, Model: f.model, Texts: len(texts.Of), Dimensions: x.Cols}
	return e.print(a, func(w io.Writer) {
		fmt.Fprintf(w, "%s: %d texts, vectors of %d numbers\n%s\n", a.Source, a.Texts, a.Dimensions, a.Out)
	})
}

// openEncoder opens the encoder of a folder, or fetches it by name.
func openEncoder(ctx context.Context, p *progress, model string) (*sentence.Encoder, error) {
	if _, err := os.Stat(filepath.Join(model, "tokenizer.json")); err == nil {
		return sentence.Open(model)
	}
	files, err := catalog.Get(ctx, model, catalog.Options{Progress: p.of("model")})
	if err != nil {
		return nil, fmt.Errorf("%s is no folder with tokenizer.json, and: %w", model, err)
	}
	return sentence.Open(files.Dir)
}
