# make demo   fetch Fashion-MNIST, then measure, tune, build, prove and search it
# make test   everything CI checks
# make help   the rest

GO          ?= go
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
RACE        := ./artifact ./vec ./neighbors ./cluster ./dataset/... ./measure/... ./index/... ./quantize/... ./reduce/... ./plan ./cmd/...

.PHONY: help build demo test check-format check-vet check-asm test-go test-noasm test-race bench

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

# The race detector needs a C compiler.
test-race:
	@if command -v gcc >/dev/null || command -v clang >/dev/null; then $(GO) test -short -race $(RACE); \
	else echo 'no C compiler: the race detector is left out; CI runs it'; fi

bench:
	$(GO) test -run '^$$' -bench . ./vec ./neighbors ./index/... ./reduce/... ./quantize/...
