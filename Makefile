# make run       the embedded sample world through the whole graph, a summary, and pages to look at
# make evaluate  the same at two earlier cutoffs, against baselines and the oracle of the sample world
# make peers     RecTools' transformers on the same split (an environment of its own; hours; see EPOCHS and CUTOFFS below)
# make test      the test suite, in JOBS processes; FAST=1: without TensorFlow, whole runs, and what took long before
# make quality   floors of quality on whole worlds, real and planted, and the worst days at full size (many minutes)
# make flink     the whole run on Flink, in one process and on a cluster of two task managers (needs java 11 or 17, mvn)
# make prism     the whole run on Prism (needs go)
# make airflow   the DAGs of templates/airflow in a real Airflow (an environment of its own, 2.2 GB)
# make lint      style, types, conventions
# make docs      the documentation site, out/site/index.html; every link and anchor is checked
# make screenshot  the README's picture of a Home (needs /usr/bin/chromium)
# make walk      record docs/tutorials/ten-minutes.md: the first ten minutes with three kinds of data
# make bench     the benchmarks (minutes to hours; see tests/benchmarks)
# make lock      resolve requirements.txt again from setup.py

PYTHON ?= python3
# test processes; each holds TensorFlow, and now and then 3 GB of listening
JOBS ?= 2
# the environment; another one for another Python: make PYTHON=/usr/bin/python3 VENV=.venv-system test
VENV ?= .venv
BIN := $(VENV)/bin
DATA ?= out/sample
OUTPUT ?= out/home
REPORT ?= out/report
# cutoffs of the sample world: a week, and a gap of half an hour, fit behind the last
CUTOFFS ?= 2025-12-17T23:00,2025-12-24T23:00
# what make peers evaluates; of other data: make peers EVENTS=... COLUMNS=played_at:timestamp TRACKS= CUTOFFS=2015-01-13
EVENTS ?= $(DATA)/events
TRACKS ?= $(DATA)/tracks
COLUMNS ?=
PEERS ?= out/peers
EPOCHS ?= 15
# Containers often set it: then each process would compile TensorFlow's and Beam's modules anew, 8 s of its start
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run evaluate peers test quality flink prism airflow lint docs screenshot walk bench lock clean

run: $(VENV)/installed
	$(BIN)/homeshelf sample --output=$(DATA)
	$(BIN)/homeshelf run --events=$(DATA)/events --tracks=$(DATA)/tracks --users_table=$(DATA)/users --output=$(OUTPUT)
	$(BIN)/homeshelf report --run=$(OUTPUT) --file=$(OUTPUT)/report.html
	$(BIN)/homeshelf preview --run=$(OUTPUT) --file=$(OUTPUT)/preview.html

evaluate: $(VENV)/installed
	$(BIN)/homeshelf sample --output=$(DATA) --oracle_at=$(CUTOFFS)
	$(BIN)/homeshelf evaluate --events=$(DATA)/events --tracks=$(DATA)/tracks --users_table=$(DATA)/users \
	  --as_of=$(CUTOFFS) --training_windows=2,3,4,5 --lists=oracle:$(DATA)/oracle_lists --oracle=oracle --output=$(REPORT)

PEER_FLAGS = --events=$(EVENTS) --events_columns=$(COLUMNS) --tracks=$(TRACKS) --as_of=$(CUTOFFS)
peers: $(VENV)/installed .venv-peers/installed
	$(BIN)/homeshelf evaluate $(PEER_FLAGS) --output=$(PEERS) --export=$(PEERS)/export
	for model in sasrec esasrec; do \
	  .venv-peers/bin/python tests/peers/rank.py $(PEERS)/export $$model $(PEERS)/$$model.parquet --epochs=$(EPOCHS) || exit 1; \
	done
	$(BIN)/homeshelf evaluate $(PEER_FLAGS) --output=$(PEERS)/report \
	  --lists=sasrec:$(PEERS)/sasrec.parquet,esasrec:$(PEERS)/esasrec.parquet

# the processes of the tests share the cores: threads of OpenMP and BLAS, which wait in a loop, would take them away
TESTS = OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses=$(JOBS) --dist=worksteal
test: $(VENV)/installed
	$(TESTS) $(if $(FAST),--fast) tests --ignore=tests/engines --ignore=tests/quality

quality: $(VENV)/installed
	$(TESTS) tests/quality

# each prints how long its runs took, and the same run in this process (setup)
ENGINE_TESTS = $(BIN)/python -m pytest -rs --durations=0 tests/engines
flink: $(VENV)/installed .flink/job-server.jar
	$(ENGINE_TESTS)/test_flink.py

prism: $(VENV)/installed .prism/prism
	$(ENGINE_TESTS)/test_prism.py

airflow: $(VENV)/installed .venv-airflow/installed
	$(ENGINE_TESTS)/test_airflow.py

.flink/job-server.jar: tests/engines/pom.xml
	@command -v java >/dev/null && command -v mvn >/dev/null || { echo "Flink needs java and mvn (Debian: apt-get install openjdk-17-jre-headless maven)"; exit 1; }
	@rm -rf .flink
	mvn --quiet --batch-mode --file $< package
	@touch $@

# of the same release as the pinned Beam; Beam would download a binary instead
.prism/prism: requirements.txt
	@command -v go >/dev/null || { echo "Prism needs go (Debian: apt-get install golang)"; exit 1; }
	GOBIN=$(CURDIR)/.prism go install github.com/apache/beam/sdks/v2/go/cmd/prism@v$$(sed -n 's/^apache-beam==\([0-9.]*\).*/\1/p' $<)
	@touch $@

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m tests.conventions

docs: $(VENV)/installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

walk: $(VENV)/installed
	$(BIN)/python -m tests.walk

screenshot: $(VENV)/installed $(OUTPUT)/preview.html
	$(BIN)/python -m tests.screenshot $(OUTPUT)/preview.html user-0001939 docs/images/home.png

$(OUTPUT)/preview.html:
	$(MAKE) run

bench: $(VENV)/installed
	$(BIN)/python -m tests.benchmarks

# PYTHONPATH and user site-packages are shut out: what the system has must not matter.
# -I keeps the same true of the interpreter that makes the environment.
export PYTHONNOUSERSITE := 1
unexport PYTHONPATH PYTHONHOME PIP_TARGET PIP_USER VIRTUAL_ENV

# $(call environment,FOLDER,REQUIREMENTS,OPTIONS): uv, from pip, installs in seconds what takes pip minutes
define environment
	@rm -rf $(1)
	@$(PYTHON) -I -m venv $(1)
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.txt > $(1)/uv.txt
	@$(1)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(1)/uv.txt
	@$(1)/bin/uv pip install --quiet --system-certs --python $(1)/bin/python $(3) -r $(2)
endef

$(VENV)/installed: requirements.txt setup.py
	@$(PYTHON) -I -c 'import sys; v = sys.version_info; (3, 10) <= v < (3, 14) or sys.exit(f"homeshelf needs Python 3.10 to 3.13, but {sys.executable} is {v[0]}.{v[1]}: make PYTHON=python3.12 ...")'
	@echo "installing the pinned dependencies into $(VENV): a minute or two"
	$(call environment,$(VENV),requirements.txt,--require-hashes)
	@$(BIN)/uv pip install --quiet --system-certs --python $(BIN)/python --no-deps -e .
	@touch $@

.venv-peers/installed: tests/peers/requirements.txt
.venv-airflow/installed: tests/engines/requirements-airflow.txt
.venv-peers/installed .venv-airflow/installed:
	$(call environment,$(@D),$<)
	@touch $@

lock: $(VENV)/installed
	$(BIN)/uv pip compile --system-certs --universal --generate-hashes --python-version 3.10 --no-annotate --no-header --extra dev setup.py -o requirements.txt
	$(BIN)/uv pip compile --system-certs --universal --generate-hashes --python-version 3.10 --no-annotate --no-header --extra gcp --constraint requirements.txt setup.py -o templates/requirements.txt

clean:
	rm -rf .venv .venv-system .venv-peers .venv-airflow .flink .prism build dist out *.egg-info
