# Everything is done by go; this file only remembers how.

GO       ?= go
BENCH    ?= .
VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null)
LDFLAGS  := -s -w -X sallyport/internal/build.version=$(VERSION)
FUZZTIME ?= 20s
SEED     ?= 1
ARCH     ?= $(shell $(GO) env GOARCH)

.PHONY: need-go build demo test peers platforms race long beside fuzz bench bench-peers bench-detect emulated lint generate page pictures package release sizes clean

need-go:
	@GO=$(GO) scripts/need-go

build: need-go ## the program, in bin/
	CGO_ENABLED=0 $(GO) build $$(GO=$(GO) scripts/mended) -trimpath -ldflags '$(LDFLAGS)' -o bin/sallyport ./cmd/sallyport

demo: build ## a closed door, a knock, an open door, closed again
	bin/sallyport demo

test: need-go peers ## all tests
	$(GO) test -timeout 30m ./...
	$(GO) -C packaging test -timeout 30m ./...

peers: ## the programs that tests use as real peers (Debian packages)
	scripts/install-peers
	$(GO) -C packaging mod download # a lab has no way to fetch them

race: peers ## all tests once, with the race detector
	$(GO) test -race -timeout 30m ./...

long: peers ## more rounds, and with the race detector
	SALLYPORT_LONG=1 $(GO) test -race -count=3 -timeout 60m ./...

beside: peers ## beside firewalld, ufw, Docker, Podman and fw4's rules, and with services behind doors; takes six minutes
	SALLYPORT_REQUIRE=netns,peers $(GO) test -count=1 -timeout 30m ./test/beside

platforms: ## other kernels and other systemds, in docs/PLATFORMS.md; takes an hour, and says what it needs
	scripts/install-peers $$(test/platforms/packages)
	test/platforms/all

emulated: ## tests as programs for other processors, most of them emulated; takes half an hour, e.g. make emulated TARGETS=linux_mips
	GO=$(GO) test/emulated $(TARGETS)

fuzz: ## each fuzz target for FUZZTIME
	GO=$(GO) scripts/fuzz $(FUZZTIME)

bench: ## the benchmarks of the code, e.g. make bench BENCH=Observe
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem ./...

bench-peers: peers ## side by side with knockd, fwknopd and others, in bench/out/
	$(GO) run ./bench

bench-detect: ## what is found rightly and wrongly, e.g. make bench-detect SEED=7
	$(GO) run ./bench/detect -seed $(SEED)

lint: ## gofmt, vet, staticcheck, and that it builds elsewhere
	scripts/lint

generate: ## files made from others
	$(GO) generate ./...

page: ## the console's page, from its sources, with npm
	cd internal/console/web && npm ci --ignore-scripts && npm test && npm run build

pictures: build peers ## those of the README, from the real demo and report, in docs/pictures/
	GO=$(GO) scripts/pictures

package: ## the Debian and the RPM package, in dist/, e.g. make package ARCH=arm64
	$(GO) -C packaging run ./build -arch $(ARCH)

release: ## everything of a version, in dist/, e.g. make release VERSION=v1.2.3; TARGETS="linux_mips" for some
	rm -rf dist
	$(GO) -C packaging run ./build -release -version '$(VERSION)' $(TARGETS)

sizes: ## builds the client for all targets, and writes into docs/CLIENT.md how large each is
	$(GO) -C packaging run ./build -sizes -version '$(VERSION)'

clean:
	rm -rf bin dist bench/out
