package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

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
}

func newVersion(e *env) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version, and which kernels this processor runs",
		Args:  args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			a := versionAnswer{Version: programVersion(), Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH, Kernels: vec.Features()}
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
