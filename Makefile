# `make run` and `make test` are all that a newcomer needs: they make .venv themselves.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed
BENCH_INSTALLED := .venv/installed-bench
# GPL-3, so it is run and never imported, from an environment of its own.
LOCALSTRIPE := localstripe==1.15.10
SEEDS ?= 1000
# What `make test DATABASE=...` runs on another server than the embedded one.
ON_A_DATABASE := $(if $(DATABASE),tests/simulation/contracts tests/runtime tests/cluster)
# Where the tests are that start a market (tests/conftest.py holds them to it): all others need not be read to find them.
WITH_MARKETS := $(or $(ON_A_DATABASE),tests/cluster tests/operations tests/load tests/browser)
# On another database nobody can stop the one that a market starts by itself.
THAT_MAY_RUN := not peer and not long$(if $(DATABASE), and not own_database)
FIRST ?= 0
PEERS := .venv-peers/$(LOCALSTRIPE)
# GPL-2, as above. It asks for a newer compiler than it needs.
SECANTUS_MDB := 0.5.3-beta.196
FAST_DATABASE := .fast-database/$(SECANTUS_MDB)
BROWSER_TOOLS := .browser-tools/installed

# Images with Python often forbid compiled files. Each of the twenty processes of a market would compile our source anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run test test-fast asserted browser simulate peers fast-database chaos lint format events bench profile clean

help:  ## Show what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

run: $(INSTALLED)  ## Start a market with everything it needs; Ctrl-C stops it
	@exec $(BIN)/holdfast up

# Those that start a browser or a whole market share the machine with one other, all others share it by three, as they wait
# for much, and the last have it to themselves. Exit status 5: nothing to run.
test: export HOLDFAST_TEST_DATABASE := $(DATABASE)
test: $(INSTALLED) $(BROWSER_TOOLS)  ## Run the tests, all but those of make peers and make chaos; DATABASE=fast or a URL: on that database
	$(BIN)/pytest -n 3 --dist loadfile -m 'not cluster and not browser and not peer' $(ON_A_DATABASE) $(ARGS) || [ $$? -eq 5 ]
	$(BIN)/pytest -n 2 --dist worksteal -m 'browser and not cluster' $(or $(ON_A_DATABASE),tests/browser) $(ARGS) || [ $$? -eq 5 ]
	$(BIN)/pytest -n 2 --dist loadfile -m 'cluster and not alone and $(THAT_MAY_RUN)' $(WITH_MARKETS) $(ARGS) || [ $$? -eq 5 ]
	$(BIN)/pytest -m 'alone and $(THAT_MAY_RUN)' $(WITH_MARKETS) $(ARGS) || [ $$? -eq 5 ]

test-fast: $(INSTALLED)  ## Run the tests that take seconds
	$(BIN)/pytest -m 'not slow and not cluster and not browser and not peer' $(ARGS)

asserted: $(INSTALLED)  ## List parametrised tests that pass without an executed assertion, some 15 minutes
	$(BIN)/pytest -q -p tests.support.executed_assertions -o enable_assertion_pass_hook=true \
	  -m 'not slow and not cluster and not browser and not peer' $(ARGS)

browser: $(INSTALLED) $(BROWSER_TOOLS)  ## Look at every page in a real browser; pictures of them go to reports/pages
	PICTURES=reports/pages $(BIN)/pytest -m browser tests/browser $(ARGS)

simulate: $(INSTALLED)  ## Simulate SEEDS=1000 markets in which things go wrong, or one SEED=7 with its trace
	@$(BIN)/python -m tests.simulation $(if $(SEED),--seed $(SEED),--seeds $(SEEDS) --first $(FIRST)) $(ARGS)

peers: $(INSTALLED) $(PEERS)  ## Run the payments against localstripe, a Stripe of somebody else's
	$(BIN)/pytest -m peer tests/peers $(ARGS)

fast-database:  ## Build the fast database of `make bench` with cargo, some 6 minutes once
	@command -v mongod || $(MAKE) --no-print-directory $(FAST_DATABASE)

chaos: $(INSTALLED)  ## Kill and stop everything under load for half an hour, then run the tests marked long; NEMESES=TicketActor,database chooses
	@NEMESES='$(NEMESES)' DURATION='$(DURATION)' $(BIN)/python -m tests.chaos
	EVERY_CONTROL=1 $(BIN)/pytest tests/chaos/test_broken_markets.py
	PURCHASES=2000 $(BIN)/pytest tests/cluster/test_payments_under_faults.py
	$(BIN)/pytest -m long

lint: $(INSTALLED)  ## Check style, types, layers and what bandit knows of security
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo --no-cache
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive actors holdfast serve_app config cli

format: $(INSTALLED)  ## Put the code into shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

events: $(INSTALLED)  ## Write docs/asyncapi.json and the tables of docs/events.md from the catalogue of events
	$(BIN)/python -m holdfast.events.document docs

bench: $(BENCH_INSTALLED)  ## Measure what one machine carries, beside its peers; DATABASE=fast, ARGS='reservations --quick'
	$(BIN)/python -m benchmarks $(if $(DATABASE),--database '$(DATABASE)') $(ARGS)

profile: $(BENCH_INSTALLED)  ## Flame graphs of the processes that reserve; ARGS='--scenario purchases'
	$(BIN)/python -m benchmarks.profile $(if $(DATABASE),--database '$(DATABASE)') $(ARGS)

clean:  ## Remove everything that was made here, the market's data excepted
	rm -rf .venv .venv-peers .browser-tools .fast-database build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A half-made environment has no stamp and is made anew.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Holdfast needs Python 3.11 or newer: make PYTHON=python3.11 ..."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing into .venv (about 1.3 GB; a few minutes the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[embedded,dev]'
	@touch $@

$(BENCH_INSTALLED): $(INSTALLED)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[embedded,dev,bench]'
	@touch $@

$(PEERS): constraints.txt
	@test -x .venv-peers/bin/python || $(PYTHON) -m venv .venv-peers
	@.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt '$(LOCALSTRIPE)'
	@touch $@

$(FAST_DATABASE):
	@command -v cargo >/dev/null || { echo "Building the fast database needs Rust: https://rustup.rs"; exit 1; }
	cargo install secantus-mdb --version $(SECANTUS_MDB) --ignore-rust-version --locked --root .fast-database
	@touch $@

# Without npm or the network the tests that need them are skipped, and say so.
$(BROWSER_TOOLS): $(INSTALLED) tests/browser/fetch_tools.py
	@$(BIN)/python -m tests.browser.fetch_tools && touch $@ || echo "axe-core, vnu and the AsyncAPI parser are not here: see above"
