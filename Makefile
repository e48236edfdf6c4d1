# SPDX-License-Identifier: Apache-2.0
# The door to everything; the work is done by meson and by tools/.
PREFIX ?= /usr/local
PYTHON := /usr/bin/python3
HORAE := build/release/horae

FUZZ_SECONDS ?= 600
FUZZ ?=
SEEDS ?= 1 1000
ROUNDS ?= 1000
CLUSTER_ROUNDS ?= 30
SEED ?=

.PHONY: all run test check chaos coverage fuzz simulate bench deps install man lint format clean

all: $(HORAE)

$(HORAE): force
	@tools/deps.sh build
	@tools/build.sh release

.PHONY: force
force:

run: $(HORAE)
	@exec $(HORAE) serve

test:
	@tools/deps.sh test
	@tools/build.sh release
	@tools/build.sh fuzz
	@$(PYTHON) tools/run-tests.py build/release --fuzz build/fuzz

check:
	@tools/deps.sh check
	@tools/check.sh

# Long: ROUNDS of SIGKILL under load (about 150 a minute), and CLUSTER_ROUNDS of faults to three instances on PostgreSQL (about 3 a
# minute); prints its seed, and SEED repeats its choices.
chaos:
	@tools/deps.sh test
	@tools/build.sh release
	@nice $(PYTHON) tests/kill_loop.py build/release --rounds $(ROUNDS) $(if $(SEED),--seed $(SEED))
	@nice $(PYTHON) tests/cluster_loop.py build/release --rounds $(CLUSTER_ROUNDS) $(if $(SEED),--seed $(SEED))

# Lines that no test runs, by file; fails below the floor.
coverage:
	@tools/deps.sh check
	@tools/coverage.sh

# Long: FUZZ_SECONDS for each of FUZZ (all subjects).
fuzz:
	@tools/deps.sh test
	@tools/build.sh fuzz
	@nice $(PYTHON) tools/fuzz.py build/fuzz --seconds $(FUZZ_SECONDS) $(FUZZ)

# Long: SEEDS is the first one and how many.
simulate:
	@tools/deps.sh build
	@tools/build.sh release
	@nice build/release/tests/sim/horae-sim --seeds $(SEEDS)

bench:
	@tools/deps.sh bench
	@tools/build.sh release
	@$(PYTHON) bench/run.py build/release

deps:
	@tools/deps.sh check

install: $(HORAE)
	@install -D -m 755 $(HORAE) "$(DESTDIR)$(PREFIX)/bin/horae"
	@install -D -m 644 docs/horae.1 "$(DESTDIR)$(PREFIX)/share/man/man1/horae.1"
	@install -D -m 644 docs/horae.service "$(DESTDIR)$(PREFIX)/share/doc/horae/horae.service"
	@sed -i 's|/usr/local/bin/|$(PREFIX)/bin/|' "$(DESTDIR)$(PREFIX)/share/doc/horae/horae.service"
	@echo "installed $(DESTDIR)$(PREFIX)/bin/horae"
	@echo "a unit for systemd is $(DESTDIR)$(PREFIX)/share/doc/horae/horae.service"

# The manual page is made from the program's own help; a test compares them.
man: $(HORAE)
	@$(PYTHON) tools/make-man.py $(HORAE) >build/horae.1
	@cp build/horae.1 docs/horae.1

lint:
	@tools/deps.sh check
	@tools/lint.sh

format:
	@git ls-files 'src/*.c' 'src/*.h' 'bench/*.c' 'tests/*.[ch]' | xargs clang-format -i

clean:
	@rm -rf build
