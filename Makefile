# Each target makes .venv itself when it is missing or older than the files that define it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Of another build of torch, such as PyTorch's for CPUs alone or for an older CUDA; after `make clean`.
TORCH_INDEX ?=
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check
UV ?= uv

.PHONY: demo test test-slow verify-gpu check format lock clean

demo: $(STAMP)  ## train for a few minutes on this machine and show that the agent got stronger
	$(BIN)/zeromass train demo

test: $(STAMP)  ## the test suite, without the slow ones
	OMP_NUM_THREADS=1 $(BIN)/pytest -m "not slow and not hours" -n 2 --dist worksteal

test-slow: $(STAMP)  ## only the slow tests
	OMP_NUM_THREADS=1 $(BIN)/pytest -m slow -n 2 --dist worksteal

verify-gpu: $(STAMP)  ## what only a GPU can show, in ten minutes at most; docs/gpu.md
	$(BIN)/zeromass verify gpu

check: $(STAMP)  ## exactly what CI checks: format, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(STAMP)  ## format and sort imports
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock:  ## write requirements.lock anew; needs uv, https://docs.astral.sh/uv/
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --custom-compile-command "make lock" \
	  --extra dev pyproject.toml constraints.txt -o requirements.tmp
	$(PYTHON) -c 'import re; parts = re.split(r"\n(?=\S)", open("requirements.tmp").read()); \
	  print("\n".join(part for part in parts if not re.match(r"(torch|nvidia|cuda)\b", part)))' > requirements.lock
	rm requirements.tmp

clean:  ## remove the environment and caches (runs/ stays)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info

# All but torch, which comes in a build for each CUDA, is verified by its hash.
$(STAMP): pyproject.toml constraints.txt requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "ZeroMass needs Python 3.11 or newer; $$($(PYTHON) --version) is too old. Run: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 2; }
	@test -x $(BIN)/python || { rm -rf $(VENV); $(PYTHON) -m venv $(VENV); }
	@echo "Installing into $(VENV) (a minute or two, once) ..."
	@$(PIP) --require-hashes --no-deps -r requirements.lock
	@$(if $(TORCH_INDEX),$(PIP) -c constraints.txt --no-deps --index-url $(TORCH_INDEX) torch)
	@PYTHONWARNINGS=ignore $(PIP) -c constraints.txt --no-build-isolation -e '.[dev]'
	@echo "Compiling what plays (half a minute, once) ..."
	@printf 'isready\nsetoption name Simulations value 8\ngo\nquit\n' | $(BIN)/zeromass uci > /dev/null
	@touch $@
