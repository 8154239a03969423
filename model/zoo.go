// Package model is the zoo: one folder a model, each the whole architecture, to be read beside its paper.
package model

// Entry is a model of the zoo.
type Entry struct {
	Name  string // of its folder
	Paper int    // its number in recipe.Papers, or 0 where it is what others are compared with
	What  string
}

// Zoo are all models that are trained here. Each runs the checks of modeltest on the smallest of its kind: its test calls
// modeltest.Run, which says how.
var Zoo = []Entry{
	{"autoencoder", 0, "rows through a narrow middle and back"},
	{"classifier", 0, "fully connected layers, or LeNet"},
	{"encoder", 1, "a small transformer from words to a vector, trained to guess hidden ones"},
	{"matformer", 37, "a transformer that holds smaller ones, cut out without further training"},
	{"qlae", 2, "an autoencoder whose latents take a few learnt values each"},
	{"qlgan", 2, "a generator of such latents against a critic, and an encoder that reads them back"},
	{"sae", 7, "vectors as sums of a few features: ReLU, TopK, BatchTopK, JumpReLU, matching pursuit"},
	{"vae", 0, "an autoencoder with Gaussian latents"},
	{"vqvae", 0, "an autoencoder whose latents are codes of one codebook"},
}
