package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/latent-go/latent/collection"
)

func newCheck(e *env) *cobra.Command {
	return &cobra.Command{
		Use:   "check DIR",
		Short: "Read a store of collections and say whether it is whole",
		Long: `Read all of a store of collections: every point, vector and payload, what is derived from them, and the snapshots, with
their checksums. It changes nothing and must not run beside a server. The exit code is 1 if anything is wrong.`,
		Example: `  latent check data`,
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, a []string) error {
			if err := storeAt(a[0]); err != nil {
				return err
			}
			s, err := collection.Open(a[0], collection.Options{Still: true})
			if err != nil {
				return fmt.Errorf("%w; see latent repair", err)
			}
			defer s.Close()
			r, err := s.Check(c.Context())
			if err != nil {
				return err
			}
			if err := e.printReport(r); err != nil {
				return err
			}
			if n := len(r.Problems); n > 0 {
				return fmt.Errorf("%d problems in %s; latent repair %s sees to what can be seen to", n, a[0], a[0])
			}
			return s.Close()
		},
	}
}

func newRepair(e *env) *cobra.Command {
	return &cobra.Command{
		Use:   "repair DIR",
		Short: "Make a damaged store of collections whole, as far as it can be",
		Long: `Make a damaged store of collections whole, as far as it can be, and say what was lost. What is derived and damaged is removed;
it is made again when the store is served. A collection whose points are damaged is written anew from all that can be
read; its old files are kept in DIR/damaged. It must not run beside a server.`,
		Example: `  latent repair data`,
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, a []string) error {
			if err := storeAt(a[0]); err != nil {
				return err
			}
			return runRepair(c.Context(), e, a[0])
		},
	}
}

func runRepair(ctx context.Context, e *env, dir string) error {
	r, err := collection.Repair(ctx, dir, collection.Options{})
	if err != nil {
		return err
	}
	return e.printReport(r)
}

// storeAt refuses a folder that is no store, which opening would make one of.
func storeAt(dir string) error {
	for _, name := range []string{"catalogue", "collections"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return nil
		} else if !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return fmt.Errorf("%s is no store of collections: it has no catalogue", dir)
}

func (e *env) printReport(r collection.Report) error {
	return e.print(r, func(w io.Writer) {
		fmt.Fprintf(w, "%d collections, %d points, %d vectors, %d derived files, %d snapshots\n", r.Collections, r.Points, r.Vectors, r.Files, r.Snapshots)
		for _, p := range r.Problems {
			fmt.Fprintln(w, p)
		}
		if len(r.Problems) == 0 {
			fmt.Fprintln(w, "whole")
		}
	})
}
