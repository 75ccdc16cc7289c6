# Two commands: `make demo` and `make test`. Each makes its own environment in .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := build/demo
DATA := $(DEMO)/data
AFFECT := AFFECTBENCH_DATA=$(DATA) $(BIN)/affectbench
RUN := $(AFFECT) run --out $(DEMO)/results --workers 1 --quiet
TWIN := $(BIN)/affectbench twin --workers 1 --quiet
BURSTS := avb-two avb-culture avb-type exvo-multitask exvo-fewshot
RUNS := avb-high $(BURSTS) emotion-share sonata-emotion
MLP := avb-high-sound avb-high-official avb-type-sound
TESTED := avb-high avb-type emotion-share

.PHONY: demo runs test format clean

# Twins of the four corpora, every task with its fast systems, test labels filled in, a report.
demo: $(VENV)/.all
	$(MAKE) --no-print-directory -j2 runs
	$(AFFECT) report $(DEMO)/results > $(DEMO)/open.txt & \
	    $(AFFECT) show $(DEMO)/results && wait $$! && cat $(DEMO)/open.txt

runs: $(TESTED:%=$(DEMO)/test-%.txt) $(RUNS:%=$(DEMO)/svm-%.txt) $(DEMO)/zscore.txt \
    $(DATA)/modulate-stream

# A twin appears under its name when it is whole.
$(DATA)/hume-vocalburst:
	$(TWIN) hume-vocalburst --out $@ --scale 0.006
$(DATA)/hume-prosody:
	$(TWIN) hume-prosody --out $@ --scale 0.004
$(DATA)/modulate-stream:
	$(TWIN) modulate-stream --out $@ --scale 0.00001
$(DATA)/sonata-recordings:
	$(TWIN) modulate-sonata --out $@ --scale 0.17 --line-s 1
$(DATA)/modulate-sonata: | $(DATA)/sonata-recordings
	$(BIN)/affectbench cut modulate-sonata --data $(DATA)/sonata-recordings --out $@.partial \
	    --workers 1 --quiet > /dev/null
	mv $@.partial $@

# The first run on a corpus leaves the features for the others.
$(DEMO)/svm-avb-high.txt: | $(DATA)/hume-vocalburst
$(DEMO)/svm-emotion-share.txt: | $(DATA)/hume-prosody
$(DEMO)/svm-sonata-emotion.txt: | $(DATA)/modulate-sonata
$(BURSTS:%=$(DEMO)/svm-%.txt) $(MLP:%=$(DEMO)/mlp-%.txt): | $(DEMO)/svm-avb-high.txt
$(DEMO)/zscore.txt: | $(DEMO)/svm-avb-high.txt
	$(RUN) exvo-fewshot --system fewshot-zscore > $@.partial
	mv $@.partial $@
$(DEMO)/svm-%.txt:
	$(RUN) $* --system egemaps-svm > $@.partial
	mv $@.partial $@
$(DEMO)/mlp-%.txt:
	$(RUN) $(patsubst %-sound,%,$(patsubst %-official,%,$*)) --system egemaps-mlp \
	    --mode $(lastword $(subst -, ,$*)) > $@.partial
	mv $@.partial $@

# Who holds the labels of test fills them in.
$(DEMO)/test-avb-high.txt: | $(DEMO)/mlp-avb-high-sound.txt $(DEMO)/mlp-avb-high-official.txt
$(DEMO)/test-avb-type.txt: | $(DEMO)/svm-avb-type.txt $(DEMO)/mlp-avb-type-sound.txt
$(DEMO)/test-emotion-share.txt: | $(DEMO)/svm-emotion-share.txt
$(DEMO)/test-emotion-share.txt: SEALED := $(DATA)/hume-prosody/sealed
$(DEMO)/test-%.txt: SEALED ?= $(DATA)/hume-vocalburst/sealed
$(DEMO)/test-%.txt:
	$(AFFECT) score $(DEMO)/results/$* --labels $(SEALED) > $@.partial
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
