# The targets are explained by `make help`. Whatever is longer than a few lines is a Go program under test/.

GO        ?= go
VERSION   ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS   := -s -w -X agentd/internal/version.Version=$(VERSION)
BUILD     := CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)'
# Programs that people type, and those that agentd starts or binds into containers.
PROGRAMS  := agentd ctl
INSIDE    := agentd-init agentd-imageprobe agentd-helper
# Where build puts the programs; a package for another machine has a place of its own.
BIN       ?= bin
TOOLS     := bin/tools
FUZZTIME  ?= 1m
CAMPAIGN  ?= 200
BENCHFLAGS ?=
PREFIX    ?= /usr/local
SCRIPTS   := .ci/run systemd/deb/postinst systemd/deb/prerm systemd/deb/postrm
LINT_VERSION := v2.15.0

.DEFAULT_GOAL := help
.PHONY: help build tools test check race fuzz campaign bench lint cover demo install uninstall deb vm clean

help: ## show this
	@echo 'make TARGET'
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build the programs into bin: agentd, ctl, and those that agentd starts
	@mkdir -p $(BIN)
	$(BUILD) -o $(BIN)/ $(PROGRAMS:%=./%) ./internal/sessioninit/agentd-init ./internal/helper/agentd-helper
	$(BUILD) -o $(BIN)/agentd-imageprobe ./internal/imageprobe

tools:
	@mkdir -p $(TOOLS)
	@$(GO) build -o $(TOOLS)/ ./test/...
	@# The tests run in a network without a way out: fetch what they import beforehand.
	@$(GO) list -deps -test ./... >/dev/null

test: build tools ## run all tests there are; says and asks before it installs what they need
	@require=$$($(TOOLS)/needs) && \
	AGENTD_TEST_REQUIRE="$$require" AGENTD_TEST_BIN="$(CURDIR)/bin" \
		$(TOOLS)/withengine $(TOOLS)/gotest $(TESTFLAGS) ./...

check: ## run the quick tests, which need nothing but Go
	$(GO) test ./...

race: ## run the quick tests under the race detector (needs a C compiler)
	@# Programs are not built with it: tests of programs alone (test/..., stories of ctl) would show nothing.
	CGO_ENABLED=1 $(GO) test -race -short ./agentd/... ./internal/...
	CGO_ENABLED=1 AGENTD_TEST_REQUIRE= $(GO) test -race -short ./ctl/...

fuzz: tools ## fuzz every target for FUZZTIME (1m)
	@$(TOOLS)/fuzz $(FUZZTIME)

campaign: build tools ## kill agentd CAMPAIGN times (200) under load, and look at everything after each blow
	@require=$$($(TOOLS)/needs) && \
	AGENTD_TEST_REQUIRE="$$require" AGENTD_TEST_BIN="$(CURDIR)/bin" AGENTD_CAMPAIGN="$(CAMPAIGN)" \
		$(TOOLS)/withengine $(GO) test -count=1 -timeout 2h -v ./test/crash

bench: build tools ## measure side by side with docker; prints a table
	@$(TOOLS)/needs >/dev/null
	@$(TOOLS)/withengine $(TOOLS)/bench -bin bin $(BENCHFLAGS)

lint: $(TOOLS)/golangci-lint-$(LINT_VERSION) ## check form, faults and the house's rules
	$< config verify
	$< run ./...
	@test -z "$$(gofmt -l agentd ctl internal test)" || { echo 'not formatted:'; gofmt -l agentd ctl internal test; exit 1; }
	$(GO) vet ./...
	@if command -v shellcheck >/dev/null; then echo shellcheck $(SCRIPTS); shellcheck $(SCRIPTS); \
	else echo 'shellcheck is not installed: $(SCRIPTS) are not checked'; fi

$(TOOLS)/golangci-lint-$(LINT_VERSION):
	@mkdir -p $(TOOLS)
	GOBIN=$(CURDIR)/$(TOOLS) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION)
	@mv $(TOOLS)/golangci-lint $@

cover: ## show how much of each package the quick tests run
	$(GO) test -cover ./...

demo: build ## show the whole of it before your eyes, in a minute; says and asks before it installs or starts
	@mkdir -p $(TOOLS)
	@$(GO) build -o $(TOOLS)/ ./test/demo ./test/needs ./test/withengine
	@$(TOOLS)/needs $(TOOLS)/withengine $(TOOLS)/demo -bin $(BIN)

# Where each file of systemd/ goes below PREFIX/lib.
UNITS := agentd.service:systemd/system/agentd.service agentd.socket:systemd/system/agentd.socket \
	agentd.slice:systemd/system/agentd.slice user/agentd.service:systemd/user/agentd.service \
	agentd.sysusers:sysusers.d/agentd.conf agentd.tmpfiles:tmpfiles.d/agentd.conf

install: build ## install programs, units and configuration below DESTDIR and PREFIX (/usr/local)
	@set -e; for program in $(PROGRAMS); do \
		install -D -m 0755 -v $(BIN)/$$program '$(DESTDIR)$(PREFIX)'/bin/$$program; done
	@set -e; for program in $(INSIDE); do \
		install -D -m 0755 -v $(BIN)/$$program '$(DESTDIR)$(PREFIX)'/lib/agentd/$$program; done
	@set -e; for unit in $(UNITS); do \
		install -D -m 0644 -v systemd/$${unit%%:*} '$(DESTDIR)$(PREFIX)'/lib/$${unit#*:}; \
		sed -i 's|/usr/local/bin/|$(PREFIX)/bin/|' '$(DESTDIR)$(PREFIX)'/lib/$${unit#*:}; done
	@test -e '$(DESTDIR)/etc/agentd/agentd.yaml' || \
		install -D -m 0644 -v configs/agentd.yaml '$(DESTDIR)/etc/agentd/agentd.yaml'
	@echo 'To start it: systemd-sysusers && systemd-tmpfiles --create && systemctl daemon-reload &&'
	@echo '  systemctl enable --now agentd.socket'

uninstall: ## remove what install put there; configuration and state stay
	@for program in $(PROGRAMS); do rm -fv '$(DESTDIR)$(PREFIX)'/bin/$$program; done
	@for program in $(INSIDE); do rm -fv '$(DESTDIR)$(PREFIX)'/lib/agentd/$$program; done
	@for unit in $(UNITS); do rm -fv '$(DESTDIR)$(PREFIX)'/lib/$${unit#*:}; done

DEB_ARCHS ?= amd64 arm64

deb: tools ## build the Debian packages, for amd64 and arm64, and check them with lintian
	@set -e; for arch in $(DEB_ARCHS); do \
		deb=$$($(TOOLS)/mkdeb -arch $$arch -version '$(VERSION)' -out bin); echo "$$deb"; \
		if command -v lintian >/dev/null; then lintian --fail-on error "$$deb"; \
		else echo 'lintian is not installed: the package is not checked'; fi; done

vm: ## check the package in a virtual machine with systemd and cgroup v2 (Debian; says what is missing)
	AGENTD_TEST_REQUIRE=vm $(GO) test -count=1 -v -timeout 20m ./test/vm

clean: ## remove what was built
	rm -rf bin
