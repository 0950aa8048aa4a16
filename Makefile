# Everything is done by go; this file only remembers how.

GO       ?= go
BENCH    ?= .
VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null)
LDFLAGS  := -s -w -X sallyport/internal/build.version=$(VERSION)
FUZZTIME ?= 20s
SEED     ?= 1
ARCH     ?= $(shell $(GO) env GOARCH)

.PHONY: need-go build demo test peers platforms race long beside fuzz bench bench-peers bench-detect emulated lint generate pictures package release sizes clean

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

