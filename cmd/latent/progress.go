package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progress draws the steps of long work on stderr, one bar after another, if that is a terminal.
type progress struct {
	mu   sync.Mutex
	on   bool
	w    io.Writer
	name string
	bar  *progressbar.ProgressBar
}

func (e *env) progress() *progress {
	return &progress{on: e.terminal && !e.quiet, w: e.err}
}

// step says how far the step called name has come.
func (p *progress) step(name string, done, total int) {
	if !p.on {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar == nil || name != p.name {
		p.clear()
		p.name = name
		p.bar = progressbar.NewOptions(max(total, 1),
			progressbar.OptionSetWriter(p.w),
			progressbar.OptionSetDescription(fmt.Sprintf("%-34s", name)),
			progressbar.OptionSetWidth(24),
			progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionSetPredictTime(true),
			progressbar.OptionClearOnFinish(),
		)
	}
	if total > 0 {
		p.bar.ChangeMax(total)
	}
	p.bar.Set(done)
}

// of returns step for one name, as packages take it.
func (p *progress) of(name string) func(done, total int) {
	return func(done, total int) { p.step(name, done, total) }
}

// say prints a line above the bars: what a long command finds on its way. It shows where progress does.
func (p *progress) say(format string, a ...any) {
	if !p.on {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	fmt.Fprintf(p.w, format+"\n", a...)
}

// done takes the bar away.
func (p *progress) done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
}

func (p *progress) clear() {
	if p.bar != nil {
		p.bar.Clear()
		p.bar = nil
	}
}
