// Command latent measures, compresses, indexes and searches learned representations (embeddings).
//
//	latent measure vectors.npy               how many dimensions they really have
//	latent build vectors.npy -o index        the cheapest index with recall@10 ≥ 0.95, proven
//	latent search index --query q.npy        nearest neighbours
//
// Answers go to stdout, as text or with --json as JSON; progress goes to stderr, and only to a terminal. Exit codes: 0
// done, 1 failed, 2 misused, 3 the target was not reached, 130 interrupted.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/latent-go/latent/plan"
)

// Exit codes.
const (
	exitDone        = 0
	exitFailed      = 1
	exitMisused     = 2
	exitMissed      = 3
	exitInterrupted = 130
)

// usageError is a slip in the command line.
type usageError struct{ error }

func misuse(format string, a ...any) error { return usageError{fmt.Errorf(format, a...)} }

// env is what a command runs in.
type env struct {
	out, err io.Writer
	json     bool
	quiet    bool
	terminal bool // err is one, so progress may be drawn
}

// print writes an answer: v as JSON if that was asked for, else what text writes.
func (e *env) print(v any, text func(w io.Writer)) error {
	if !e.json {
		text(e.out)
		return nil
	}
	enc := json.NewEncoder(e.out)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	// After the first signal the default is back, so that a second one ends a step that is slow to stop.
	context.AfterFunc(ctx, stop)
	e := &env{out: os.Stdout, err: os.Stderr, terminal: term.IsTerminal(int(os.Stderr.Fd()))}
	code := run(ctx, e, os.Args[1:])
	stop()
	os.Exit(code)
}

// run is the command but for the process around it.
func run(ctx context.Context, e *env, args []string) int {
	out := &watched{w: e.out}
	e.out = out
	root := newRoot(e)
	root.SetArgs(args)
	root.SetOut(e.out)
	root.SetErr(e.err)
	err := root.ExecuteContext(ctx)
	if err == nil && out.err != nil {
		err = fmt.Errorf("the answer could not be written: %w", out.err)
	}
	switch {
	case err == nil:
		return exitDone
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		fmt.Fprintln(e.err, "latent: interrupted; nothing was left half-written")
		return exitInterrupted
	case errors.As(err, new(usageError)) || strings.HasPrefix(err.Error(), "unknown command"): // which cobra says itself
		fmt.Fprintf(e.err, "latent: %v\n", err)
		return exitMisused
	case errors.Is(err, plan.ErrTarget):
		fmt.Fprintf(e.err, "latent: %v\n", err)
		return exitMissed
	}
	fmt.Fprintf(e.err, "latent: %v\n", err)
	return exitFailed
}

// watched remembers the first error of a writer, so that an answer that got lost is not taken for one given.
type watched struct {
	w   io.Writer
	err error
}

func (w *watched) Write(b []byte) (int, error) {
	n, err := w.w.Write(b)
	if err != nil && w.err == nil {
		w.err = err
	}
	return n, err
}

func newRoot(e *env) *cobra.Command {
	root := &cobra.Command{
		Use:   "latent",
		Short: "Measure, compress, index and search learned representations",
		Long: `Measure, compress, index and search learned representations (embeddings).

A VECTORS argument is a file (npy, npz, fvecs, Parquet, JSONL, CSV, GloVe, safetensors, IDX, …),
the name of a data set (latent data list), or generated data (synthetic:NAME?n=ROWS).`,
		Example: `  latent measure vectors.npy --html report.html
  latent build vectors.npy --recall 0.95 -o index
  latent search index --query queries.npy --row 0`,
		Version:       programVersion(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.PersistentFlags().BoolVar(&e.json, "json", false, "print the answer as JSON")
	root.PersistentFlags().BoolVarP(&e.quiet, "quiet", "q", false, "show no progress")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return misuse("%v; see %s --help", err, c.CommandPath())
	})
	root.AddCommand(newMeasure(e), newCompare(e), newBuild(e), newSearch(e), newReduce(e), newEmbed(e), newExplain(e), newNested(e), newMulti(e), newCur(e), newReproduce(e), newData(e), newServe(e), newImport(e), newExport(e), newCheck(e), newRepair(e), newVersion(e))
	return root
}

// args makes a wrong number of arguments a misuse.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, a []string) error {
		if err := check(c, a); err != nil {
			return misuse("%v; see %s --help", err, c.CommandPath())
		}
		return nil
	}
}
