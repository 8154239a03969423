# make demo   fetch Fashion-MNIST, then measure, tune, build, prove and search it
# make test   everything CI checks
# make test-clients   Qdrant's own clients against `latent serve`; they are fetched
# make bench-peers    searches beside hnswlib, Faiss and usearch, which are fetched; two hours on 2 quiet cores
# make chaos  kill the server under load, often, and check what it has kept
# make help   the rest

GO          ?= go
# Training runs several times faster with vector instructions, which Go 1.26 has on amd64 as an experiment.
ifeq ($(origin GOEXPERIMENT),undefined)
GOEXPERIMENT := $(shell GOEXPERIMENT=simd $(GO) env GOARCH 2>/dev/null | grep -x amd64 >/dev/null && echo simd)
endif
export GOEXPERIMENT
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
RACE        := ./artifact ./vec ./neighbors ./cluster ./dataset/... ./measure/... ./index/... ./quantize/... ./reduce/... ./nn/... ./model/modeltest ./explain/... ./plan ./collection/... ./client ./server/... ./cmd/...

.PHONY: bench-peers help build demo test check-format check-vet check-asm test-go test-noasm test-race test-clients chaos bench

help:
	@sed -n 's/^# make/make/p' Makefile
	@echo 'make build  the command, as bin/latent'
	@echo 'make bench  the benchmarks of the kernels and indexes'

build:
	$(GO) build -o bin/latent ./cmd/latent

# The demo's steps are what a person would type. Without Fashion-MNIST it takes generated data, and says so.
demo: build
	./bin/latent data get fashion-mnist -o demo/data --fallback 'synthetic:mixture?n=60000&d=12&ambient=256&noise=0.01'
	./bin/latent measure demo/data/train.npy --html demo/measure.html
	./bin/latent build demo/data/train.npy --queries demo/data/test.npy --recall 0.95 -o demo/index --html demo/build.html --replace
	./bin/latent search demo/index --query demo/data/test.npy --row 0

test: check-format check-vet check-asm test-go test-noasm test-race

check-format:
	@bad=$$(gofmt -l .); if [ -n "$$bad" ]; then echo "gofmt these files: $$bad"; exit 1; fi

check-vet:
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

# The committed assembly is what its generator writes.
check-asm:
	sh vec/_avo/check.sh

test-go:
	$(GO) test ./...

test-noasm:
	$(GO) test -short -tags noasm ./vec ./neighbors ./cluster ./index/... ./quantize/... ./reduce/...

# The race detector needs a C compiler. It brings checks of pointers with it, which the kernels of GoMLX, whose addresses are
# plain numbers, do not pass; they go without.
test-race:
	@if command -v gcc >/dev/null || command -v clang >/dev/null; then $(GO) test -short -race -gcflags='github.com/gomlx/compute/...=-d=checkptr=0' $(RACE); \
	else echo 'no C compiler: the race detector is left out; CI runs it'; fi

bench:
	$(GO) test -run '^$$' -bench . ./vec ./neighbors ./index/... ./reduce/... ./quantize/...

# The official clients of Qdrant for JavaScript, Python and Go, and LangChain's store, each in a session that asserts its
# answers. What they need is fetched into bin/clients; a session whose tool is missing is left out, and that is said.
test-clients: build
	sh server/clients/run.sh bin/latent

# Figures of docs/results/peers.md. PEERS_DATA names some of fashion, glove and text.
PEERS_DATA ?= fashion,text,glove
bench-peers:
	rm -f docs/results/peers.jsonl
	python3 bench/peers/peers.py --data $(PEERS_DATA) --threads 1 --out docs/results/peers.jsonl
	python3 bench/peers/peers.py --data $(PEERS_DATA) --threads 2 --out docs/results/peers.jsonl
	$(GO) run ./bench/peers report docs/results/peers.jsonl docs/results

# SIGKILL of the real server under client load, KILLS times, against a ledger of what was acknowledged. A failure prints the
# seed, which SEED takes.
KILLS ?= 50
SEED  ?= 0
chaos:
	$(GO) test ./cmd/latent -count=1 -run '^TestChaos$$' -v -timeout 60m -chaos.kills $(KILLS) -chaos.seed $(SEED)
