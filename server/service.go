package server

import (
	"math/rand/v2"
	"net/http"
	"runtime"
	"strings"
	"time"
)

// What the server tells of itself. Clients compare the version with their own and warn where the two are more than a
// minor version apart; 1.19 suits those of 1.18 to 1.20.
const (
	title         = "latent - vector store"
	qdrantVersion = "1.19.0"
)

func root(c *call) (any, error) {
	err := writeJSON(c.w, http.StatusOK, struct {
		Title   string `json:"title"`
		Version string `json:"version"` // of Qdrant's API
		Commit  string `json:"commit"`
		Latent  string `json:"latent"`
	}{title, qdrantVersion, "latent-" + c.s.o.Version, c.s.o.Version})
	return written{}, err
}

// instance tells one start of a server from another.
var instance = func() string {
	const digits = "0123456789abcdef"
	var b strings.Builder
	for range 16 {
		b.WriteByte(digits[rand.IntN(16)])
	}
	return b.String()
}()

func telemetry(c *call) (any, error) {
	type counted struct {
		Count uint64 `json:"count"`
	}
	responses := map[string]map[string]counted{}
	families, err := c.s.metrics.registry.Gather()
	if err != nil {
		return nil, err
	}
	for _, f := range families {
		if f.GetName() != "rest_responses_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			label := map[string]string{}
			for _, l := range m.GetLabel() {
				label[l.GetName()] = l.GetValue()
			}
			name := label["method"] + " " + label["endpoint"]
			if responses[name] == nil {
				responses[name] = map[string]counted{}
			}
			responses[name][label["status"]] = counted{uint64(m.GetCounter().GetValue())}
		}
	}
	return map[string]any{
		"id": instance,
		"app": map[string]any{
			"name": title, "version": c.s.o.Version, "startup": c.s.started.UTC().Format(time.RFC3339Nano),
			"features": map[string]bool{"debug": false, "service_debug_feature": false, "recovery_mode": false, "gpu": false},
			"system":   map[string]any{"distribution": runtime.GOOS, "cpu_flags": runtime.GOARCH, "cores": runtime.NumCPU()},
		},
		"collections": map[string]any{"number_of_collections": len(c.s.store.Names())},
		"cluster":     map[string]any{"enabled": false},
		"requests":    map[string]any{"rest": map[string]any{"responses": responses}, "grpc": map[string]any{"responses": map[string]any{}}},
	}, nil
}

func cluster(*call) (any, error) { return map[string]string{"status": "disabled"}, nil }
