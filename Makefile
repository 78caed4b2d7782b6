# A fresh machine needs only Go, make and git; modules come from the Go proxy.

GO ?= go
# A number of runs rather than a time: when the time is up during a run, go test -fuzz sometimes reports
# a failure ("context deadline exceeded").
FUZZTIME ?= 2000x
# The packages that start goroutines or use pointers. -race implies checkptr, which is limited to our own
# packages: GoMLX's Go backend (v0.1.4) moves a pointer past the end of a slice, though it never reads
# there.
RACE = -gcflags=all=-d=checkptr=0 -gcflags=github.com/residual-go/residual/...=-d=checkptr ./pkg/dataset ./pkg/cifar ./pkg/download ./pkg/imagefolder ./pkg/run ./pkg/cpu/... ./pkg/predict ./pkg/serve ./tests/suite/serve

# Everything except the students' files of the exercises, whose tests fail until the exercises are done.
# Package check tests the worked solutions.
PACKAGES = $$($(GO) list ./... | grep -v '/lesson/exercises/[a-z0-9]*$$') ./lesson/exercises/check ./lesson/exercises/symptoms

# After a command failed: where Go's module proxy cannot be reached, as in mainland China, say how to use
# a mirror. The words are those of lesson/cli.
MIRROR = { $(GO) list -deps ./lesson 2>&1 >/dev/null | grep -q 'Get "http' && case "$${RESIDUAL_LANG:-$${LC_ALL:-$${LC_MESSAGES:-$$LANG}}}" in \
	zh*) echo "Go 模块下载不了。在中国大陆，请使用镜像：go env -w GOPROXY=https://goproxy.cn,direct" >&2 ;; \
	*) echo "The Go modules could not be downloaded. In mainland China, use a mirror: go env -w GOPROXY=https://goproxy.cn,direct" >&2 ;; \
	esac; exit 1; }

.PHONY: help lesson figures jupyter notebooks course html test check test-arm64 test-xla fuzz mutate bench bench-gpu parity-values exercise-values optim-values picture-values figure-fonts weight-values clean

help: ## List what make can do.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' Makefile

lesson: ## The main job: train plain and residual networks side by side, draw the curves into runs/ (some minutes).
	@echo "$(GO) run ./lesson degradation"; $(GO) run ./lesson degradation || $(MIRROR)

figures: ## Draw the README's figures of the main job and of the built-in images anew, into figures/.
	$(GO) run ./lesson degradation --data builtin --figures figures
	$(GO) run ./lesson degradation --data builtin --figures figures/zh --lang zh
	$(GO) run ./lesson data show --data builtin --figures figures

jupyter: ## Install Jupyter with apt-get (Debian and Ubuntu, as root).
	$(GO) run ./tests/notebooks install

notebooks: ## Open the course in Jupyter.
	@echo "$(GO) run ./tests/notebooks open"; $(GO) run ./tests/notebooks open || $(MIRROR)

course: ## Run all notebooks and write them back with their outputs (half an hour at most).
	$(GO) run ./tests/notebooks execute

html: ## Export the notebooks as pages to read, into bin/html.
	$(GO) run ./tests/notebooks html

test: check ## Run all linters, tests and short fuzz runs. Downloads XLA; tests of notebooks need make jupyter.
	@$(GO) run ./tests/notebooks setup || echo "continuing without Jupyter: the tests that run notebooks are skipped"
	@$(GO) run ./pkg/backend/backendtest/fetch || echo "continuing without an XLA plugin: the tests that run on XLA are skipped"
	RESIDUAL_TEST_XLA=$${RESIDUAL_TEST_XLA-cached} $(GO) test $(PACKAGES)
	@if command -v "$$($(GO) env CC)" >/dev/null; then \
		echo "$(GO) test -race $(RACE)"; $(GO) test -race $(RACE); \
	else echo "skipping the race detector: it needs a C compiler"; fi
	$(GO) run ./tests/arm64 -short
	$(MAKE) --no-print-directory fuzz

check: ## gofmt, go vet, staticcheck, generated files and other systems.
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "gofmt these files:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	CGO_ENABLED=0 $(GO) vet -tags noxla ./pkg/backend/... ./lesson/...
	$(GO) tool staticcheck ./...
	$(GO) generate ./pkg/cpu/internal/kernel
	@git diff --exit-code --stat -- pkg/cpu/internal/kernel || { echo "commit what go generate ./pkg/cpu/internal/kernel writes"; exit 1; }
	@for system in linux/arm64 darwin/arm64 windows/arm64 windows/amd64; do \
		echo "build for $$system"; \
		CGO_ENABLED=0 GOOS=$${system%/*} GOARCH=$${system#*/} $(GO) build -tags noxla -o /dev/null ./lesson || exit 1; \
		CGO_ENABLED=0 GOOS=$${system%/*} GOARCH=$${system#*/} $(GO) vet -tags noxla ./pkg/cpu/... || exit 1; \
	done
	@if CGO_ENABLED=1 $(GO) list -deps -tags noxla -f '{{if not .Standard}}{{.ImportPath}}{{if .CgoFiles}} (cgo){{end}}{{end}}' ./... | \
		grep -E '^github.com/gomlx/go-xla(/| |$$)| \(cgo\)$$'; then \
		echo "with -tags noxla, no package may depend on go-xla, or on cgo outside the standard library"; exit 1; fi

test-arm64: ## Run the tests of the library on an emulated arm64 machine (half an hour; needs Linux and qemu-user).
	$(GO) run ./tests/arm64

test-xla: ## Run the tests that need an XLA plugin, on XLA's CPU plugin (63 MB) or RESIDUAL_TEST_XLA=cuda or a path.
ifndef RESIDUAL_TEST_XLA
	$(GO) run ./pkg/backend/backendtest/fetch
endif
	RESIDUAL_TEST_XLA=$(or $(RESIDUAL_TEST_XLA),cached) $(GO) test -count=1 -v -timeout 30m $$($(GO) list -f '{{.ImportPath}} {{join .TestImports " "}} {{join .XTestImports " "}}' ./... | grep 'pkg/backend/backendtest' | cut -d' ' -f1)

fuzz: ## Run every fuzz target for FUZZTIME.
	@for file in $$(grep -rl '^func Fuzz' --include='*_test.go' .); do \
		for target in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' $$file); do \
			echo "fuzz $$(dirname $$file) $$target"; \
			$(GO) test $$(dirname $$file) -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 5x || exit 1; \
		done; \
	done

mutate: ## Test the exercises' checks with every mutant of the worked solutions (some minutes; make test checks a sample).
	$(GO) run ./tests/mutate

bench: ## Measure speed and memory against PyTorch and GoMLX's own Go backend (some minutes).
	$(GO) run ./tests/bench

bench-gpu: ## Build the program that measures speed on a GPU, and run it if this machine has one.
	$(GO) run ./tests/gpu pack

exercise-values: ## Compute PyTorch's values for the exercises again (needs python3-torch and python3-torchvision).
	/usr/bin/python3 tests/reference/exercise_slices.py
	/usr/bin/python3 tests/reference/exercise_graphs.py

parity-values: ## Compute PyTorch's values for the parity tests again (needs python3-torch and python3-torchvision).
	/usr/bin/python3 tests/reference/parity.py

optim-values: ## Compute PyTorch's values for the optimiser again (needs PyTorch 2.9 or newer).
	python3 tests/reference/muon.py

picture-values: ## Compute Pillow's values for the tests of images again (needs python3-torchvision and python3-pil).
	/usr/bin/python3 tests/reference/picture.py

figure-fonts: ## Make the figures' Chinese, Japanese and Korean font, and fonts for tests, again (needs fonttools and fonts-noto-cjk).
	/usr/bin/python3 tests/reference/figure_font.py
	/usr/bin/python3 tests/reference/broken_fonts.py

weight-values: ## Write PyTorch's files of weights and logits again (needs python3-torchvision and RESIDUAL_TEST_DATA).
	/usr/bin/python3 tests/reference/weight_formats.py
	/usr/bin/python3 tests/reference/weight_cases.py
	/usr/bin/python3 tests/reference/weight_logits.py

clean: ## Remove runs and built files, but not the cache of downloads.
	rm -rf runs bin
