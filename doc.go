// Package latent is the root of a toolkit for learned representations (embeddings): measure them, reduce them, quantise
// them, index them, search them. It holds no code; begin with the command in cmd/latent, or with one of
//
//   - [github.com/latent-go/latent/measure/dimension]: how many dimensions vectors really have
//   - [github.com/latent-go/latent/plan]: the cheapest way to search them at a recall you set
//   - [github.com/latent-go/latent/dataset]: vectors in and out of files
//   - [github.com/latent-go/latent/vec]: matrices and kernels
//
// docs/design.md draws the layers, and the test beside this file keeps imports going down them.
package latent
