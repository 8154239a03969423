package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/latent-go/latent/nn"
	"github.com/latent-go/latent/vec"
)

// version is that of the latest entry in CHANGELOG.md; a build from a tagged module knows its own.
const version = "0.1.0-dev"

type versionAnswer struct {
	Version string   `json:"version"`
	Commit  string   `json:"commit,omitempty"`
	Go      string   `json:"go"`
	OS      string   `json:"os"`
	Arch    string   `json:"arch"`
	Kernels []string `json:"kernels"`
	// Training names what runs the graphs of models, and SIMD says whether pure Go does so with vector instructions.
	Training string `json:"training"`
	SIMD     bool   `json:"simd"`
}

func newVersion(e *env) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version, which kernels this processor runs, and what trains models",
		Args:  args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			a := versionAnswer{Version: programVersion(), Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH, Kernels: vec.Features(), SIMD: nn.SIMD}
			if b, err := nn.Backend(); err != nil {
				a.Training = err.Error()
			} else {
				a.Training = b.String()
			}
			if info, ok := debug.ReadBuildInfo(); ok {
				for _, s := range info.Settings {
					if s.Key == "vcs.revision" {
						a.Commit = s.Value
					}
				}
			}
			return e.print(a, func(w io.Writer) {
				fmt.Fprintf(w, "latent %s, %s %s/%s, kernels: ", a.Version, a.Go, a.OS, a.Arch)
				if len(a.Kernels) == 0 {
					fmt.Fprint(w, "portable")
				}
				for i, k := range a.Kernels {
					if i > 0 {
						fmt.Fprint(w, " ")
					}
					fmt.Fprint(w, k)
				}
				fmt.Fprintf(w, "\ntraining: %s", a.Training)
				if a.Training == "go" {
					if a.SIMD {
						fmt.Fprint(w, ", with vector instructions")
					} else {
						fmt.Fprint(w, ", without vector instructions: several times slower than a build with GOEXPERIMENT=simd on amd64")
					}
				}
				fmt.Fprintln(w)
			})
		},
	}
}

func programVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return version
}
