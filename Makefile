# Two commands: `make demo` and `make test`. Each makes its own environment in .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := build/demo
RUN := $(BIN)/affectbench run --data $(DEMO)/twin --out $(DEMO)/results

.PHONY: demo test format clean

demo: $(VENV)/.all $(DEMO)/twin
	$(RUN) avb-high --system egemaps-svm --quiet > $(DEMO)/avb-high.txt
	$(RUN) avb-high --system egemaps-mlp --quiet >> $(DEMO)/avb-high.txt
	$(RUN) avb-high --system egemaps-mlp --mode official --quiet >> $(DEMO)/avb-high.txt
	$(RUN) avb-type --system egemaps-svm --quiet > $(DEMO)/avb-type.txt
	$(RUN) avb-type --system egemaps-mlp --quiet >> $(DEMO)/avb-type.txt
	$(RUN) avb-type --system egemaps-mlp --mode official --quiet >> $(DEMO)/avb-type.txt
	$(BIN)/affectbench score $(DEMO)/results --labels $(DEMO)/twin/sealed > $(DEMO)/test.txt
	$(BIN)/affectbench show $(DEMO)/results
	$(BIN)/affectbench report $(DEMO)/results

$(DEMO)/twin: | $(VENV)/.all
	$(BIN)/affectbench twin hume-vocalburst --out $@ --scale 0.008 --quiet

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
