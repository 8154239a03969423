package server

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are a server's own registry. Names are Qdrant's where it has one, so that its dashboards work.
type metrics struct {
	registry      *prometheus.Registry
	restCount     *prometheus.CounterVec
	restSeconds   *prometheus.HistogramVec
	grpcCount     *prometheus.CounterVec
	grpcSeconds   *prometheus.HistogramVec
	panics        prometheus.Counter
	refused       prometheus.Counter
	recall        *prometheus.GaugeVec
	recallLow     *prometheus.GaugeVec
	recallAskedAt *prometheus.GaugeVec
}

// seconds are the buckets of latencies: searches take from a tenth of a millisecond, uploads up to minutes.
var seconds = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 60}

func newMetrics(s *Server) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		restCount: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "rest_responses_total", Help: "answers over HTTP"},
			[]string{"method", "endpoint", "status"}),
		restSeconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "rest_responses_duration_seconds", Help: "time to answer over HTTP", Buckets: seconds},
			[]string{"method", "endpoint"}),
		grpcCount: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "grpc_responses_total", Help: "answers over gRPC"},
			[]string{"endpoint", "status"}),
		grpcSeconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "grpc_responses_duration_seconds", Help: "time to answer over gRPC", Buckets: seconds},
			[]string{"endpoint"}),
		panics:  prometheus.NewCounter(prometheus.CounterOpts{Name: "latent_panics_total", Help: "requests that met a bug"}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{Name: "latent_refused_keys_total", Help: "requests without a valid key"}),
		recall: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "latent_recall", Help: "recall@k when it was last measured through /latent"},
			[]string{"collection", "vector", "k"}),
		recallLow: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "latent_recall_lower", Help: "the lower end of its 95 % interval"},
			[]string{"collection", "vector", "k"}),
		recallAskedAt: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "latent_recall_measured_timestamp_seconds", Help: "when that was"},
			[]string{"collection", "vector", "k"}),
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{Name: "app_info", Help: "the program",
		ConstLabels: prometheus.Labels{"name": title, "version": s.o.Version}})
	info.Set(1)
	m.registry.MustRegister(m.restCount, m.restSeconds, m.grpcCount, m.grpcSeconds, m.panics, m.refused, m.recall, m.recallLow, m.recallAskedAt,
		info, storeMetrics{s}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) rest(method, endpoint string, status int, took time.Duration) {
	if endpoint == "" {
		endpoint, method = "other", "other" // either is the client's choice, and without number
	}
	m.restCount.WithLabelValues(method, endpoint, strconv.Itoa(status)).Inc()
	m.restSeconds.WithLabelValues(method, endpoint).Observe(took.Seconds())
}

// forget drops what is known of a collection that is gone.
func (m *metrics) forget(collection string) {
	for _, v := range []*prometheus.GaugeVec{m.recall, m.recallLow, m.recallAskedAt} {
		v.DeletePartialMatch(prometheus.Labels{"collection": collection})
	}
}

func (m *metrics) rpc(endpoint, status string, took time.Duration) {
	m.grpcCount.WithLabelValues(endpoint, status).Inc()
	m.grpcSeconds.WithLabelValues(endpoint).Observe(took.Seconds())
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError})
}

// storeMetrics are read from the store whenever they are asked for.
type storeMetrics struct{ s *Server }

var (
	descCollections = prometheus.NewDesc("collections_total", "collections", nil, nil)
	descPoints      = prometheus.NewDesc("collection_points", "points of a collection", []string{"id"}, nil)
	descVectors     = prometheus.NewDesc("collection_vectors", "vectors of a collection that an index holds", []string{"id"}, nil)
	descState       = prometheus.NewDesc("latent_collection_state", "1 for the state that a collection is in", []string{"id", "state"}, nil)
)

func (storeMetrics) Describe(c chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descCollections, descPoints, descVectors, descState} {
		c <- d
	}
}

func (m storeMetrics) Collect(c chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		c <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	names := m.s.store.Names()
	gauge(descCollections, float64(len(names)))
	for _, name := range names {
		col, err := m.s.store.Collection(name)
		if err != nil {
			continue // deleted since
		}
		info, err := col.Info()
		if err != nil {
			continue
		}
		gauge(descPoints, float64(info.Points), name)
		gauge(descVectors, float64(info.IndexedVectors), name)
		gauge(descState, 1, name, string(info.Status))
	}
}
