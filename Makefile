# Two commands: `make demo` and `make test`. Each makes its own environment in .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := build/demo
AFFECT := AFFECTBENCH_DATA=$(DEMO)/data $(BIN)/affectbench
RUN := $(AFFECT) run --out $(DEMO)/results --quiet
TWIN := $(BIN)/affectbench twin --quiet
FIRST := avb-high emotion-share sonata-emotion
BURSTS := avb-two avb-culture avb-type exvo-multitask exvo-fewshot
MLP := avb-high-sound avb-high-official avb-type-sound

.PHONY: demo runs test format clean

# Twins of the four corpora, every task with its fast systems, test labels filled in, a report.
demo: $(VENV)/.all $(DEMO)/data
	$(MAKE) --no-print-directory -j2 runs
	for task in avb-high $(BURSTS); do $(AFFECT) score $(DEMO)/results/$$task \
	    --labels $(DEMO)/data/hume-vocalburst/sealed > $(DEMO)/$$task-test.txt || exit; done
	$(AFFECT) score $(DEMO)/results/emotion-share --labels $(DEMO)/data/hume-prosody/sealed \
	    > $(DEMO)/emotion-share-test.txt
	$(AFFECT) show $(DEMO)/results
	$(AFFECT) report $(DEMO)/results

# The first run on a corpus uses both cores and leaves the features; the others go two at a time.
runs: $(BURSTS:%=$(DEMO)/%.txt) $(MLP:%=$(DEMO)/mlp-%.txt)
$(BURSTS:%=$(DEMO)/%.txt) $(MLP:%=$(DEMO)/mlp-%.txt): | $(DEMO)/first.txt

$(DEMO)/first.txt: | $(DEMO)/data
	for task in $(FIRST); do $(RUN) $$task --system egemaps-svm > $@.partial || exit; done
	mv $@.partial $@

$(DEMO)/mlp-%.txt:
	$(RUN) $(subst -sound,,$(subst -official,,$*)) --system egemaps-mlp \
	    --mode $(if $(findstring official,$*),official,sound) > $@.partial
	mv $@.partial $@

$(DEMO)/%.txt:
	$(RUN) $* --system egemaps-svm > $@.partial
	mv $@.partial $@

$(DEMO)/data: | $(VENV)/.all
	rm -rf $@.partial
	$(TWIN) hume-vocalburst --out $@.partial/hume-vocalburst --scale 0.008
	$(TWIN) hume-prosody --out $@.partial/hume-prosody --scale 0.004
	$(TWIN) modulate-sonata --out $@.partial/sonata-recordings --scale 0.17 --line-s 1
	$(BIN)/affectbench cut modulate-sonata --data $@.partial/sonata-recordings \
	    --out $@.partial/modulate-sonata --quiet > /dev/null
	$(TWIN) modulate-stream --out $@.partial/modulate-stream --scale 0.00001
	mv $@.partial $@

test: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python benchmarks/import_time.py --limit 0.3
	$(BIN)/pytest

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# --without-pip, since Debian's python3 brings no ensurepip: the pip that is there installs for it.
$(BIN)/python:
	$(PYTHON) -m venv --without-pip $(VENV)

$(VENV)/.all: pyproject.toml constraints.txt | $(BIN)/python
	$(PYTHON) -m pip --python $(BIN)/python install --quiet -c constraints.txt -e ".[all]"
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(PYTHON) -m pip --python $(BIN)/python install --quiet -c constraints.txt -e ".[all,dev]"
	touch $@ $(VENV)/.all

clean:
	rm -rf $(VENV) build
