# netc: `make help` lists the targets.
CC       = gcc
CFLAGS   = -O2 -g
PREFIX   = /usr/local
TARGET   = native
VERSION  = 0.1
B        = build

WARN     = -Wall -Wextra -Werror=implicit -Wno-unused-parameter
STD      = -std=gnu11 -ffp-contract=off
CPPFLAGS = -Icompiler -Iruntime -I$(B)/gen -DNETC_VERSION='"$(VERSION)"'
DEPS     = -MMD -MP
NETFLAGS = -std=gnu11 -O3 -ffp-contract=off -fno-math-errno -Wno-psabi
LIBS     = -lpng -lz -lpthread

# Where LLVM 19 is installed, there is netc-jit: netc with the compiler in memory and the runtime.
LLVM      := $(firstword $(foreach c,llvm-config-19 llvm-config,\
               $(if $(filter 19.%,$(shell $(c) --version 2> /dev/null)),$(c))))
JIT_C      = $(wildcard compiler/jit*.c compiler/print_llvm*.c)
ifneq ($(LLVM),)
NETC_JIT   = $(B)/netc-jit
JIT_O      = $(patsubst compiler/%.c,$(B)/compiler/%.o,$(filter-out %/jit_missing.c,$(JIT_C)))
JIT_LIBS  := $(shell $(LLVM) --ldflags --libs)
$(JIT_O): CPPFLAGS += $(patsubst -I%,-isystem %,$(shell $(LLVM) --cppflags))
endif

COMPILER_C = $(filter-out compiler/main.c $(JIT_C),$(wildcard compiler/*.c))
COMPILER_O = $(COMPILER_C:compiler/%.c=$(B)/compiler/%.o) $(B)/gen/parser.o $(B)/gen/lexer.o \
             $(B)/gen/prelude.o
STUDY_C    = $(filter-out study/main.c,$(wildcard study/*.c))
STUDY_O    = $(STUDY_C:study/%.c=$(B)/study/%.o) $(B)/gen/report_css.o
STUDY_LIBS = -ljansson -lcmark -lm
RUNTIME_C  = $(filter-out runtime/main.c,$(wildcard runtime/*.c))
RUNTIME_O  = $(RUNTIME_C:runtime/%.c=$(B)/runtime/%.o)
PRELUDE    = $(sort $(wildcard compiler/prelude/*.net))
HEADERS    = $(addprefix runtime/,netc.h netc_math.h netc_vector.h runtime.h)

SPECS      = $(sort $(basename $(notdir $(wildcard specs/*.net))))
EXAMPLES   = $(sort $(basename $(notdir $(wildcard examples/*.net))))
NETS       = $(SPECS) $(EXAMPLES)

# Programs and scripts of tests/; those named all_* take long, and only check-all runs them.
# Those of the compilation in memory are no part of the run where that is no part of netc.
NO_JIT     = $(if $(NETC_JIT),,jit unit_jit)
UNIT       = $(filter-out $(NO_JIT),$(sort $(basename $(notdir $(wildcard tests/unit_*.c)))))
FUZZ       = $(sort $(basename $(notdir $(wildcard tests/fuzz_*.c))))
SCRIPTS    = $(filter-out deps lib run $(NO_JIT),$(sort $(basename $(notdir $(wildcard tests/*.sh)))))
SUITES     = $(filter-out all_%,$(SCRIPTS)) $(UNIT) $(patsubst %,sanitized_%,$(UNIT) $(FUZZ))
SANITIZE   = B=$(B)/sanitized CFLAGS='-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all'

all: $(B)/netc $(NETC_JIT) $(B)/libnetc.a $(B)/netc-study  ## build netc and the runtime (the default)

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo 'Variables: SPEC=NAME ARGS="--epochs 1" TARGET=native TUNED=1 CC=gcc PREFIX=/usr/local DESTDIR='

deps:  ## install what is missing (on Debian; asks for no rights where all is there)
	@CC="$(CC)" ALL="$(ALL)" STUDY="$(STUDY)" JIT="$(JIT)" sh tests/deps.sh

# --- the compiler and the runtime ---

$(B)/netc: $(B)/compiler/main.o $(B)/compiler/jit_missing.o $(B)/compiler.a
	$(CC) $(CFLAGS) $^ -o $@ -lm
$(B)/netc-jit: $(B)/compiler/main.o $(JIT_O) $(B)/compiler.a $(B)/libnetc.a
	$(CC) $(CFLAGS) $^ $(JIT_LIBS) $(LIBS) -lm -o $@
$(B)/compiler.a: $(COMPILER_O)
	@rm -f $@; ar rcs $@ $^
$(B)/libnetc.a: $(RUNTIME_O)
	@rm -f $@; ar rcs $@ $^
$(B)/netc-study: $(B)/study/main.o $(B)/study.a $(B)/compiler.a $(B)/libnetc.a
	$(CC) $(CFLAGS) $^ $(STUDY_LIBS) $(LIBS) -o $@
$(B)/study.a: $(STUDY_O)
	@rm -f $@; ar rcs $@ $^

$(B)/compiler/%.o: compiler/%.c $(B)/gen/parser.h
	@mkdir -p $(@D)
	$(CC) $(STD) $(CFLAGS) $(WARN) $(CPPFLAGS) $(DEPS) -c $< -o $@
$(B)/runtime/%.o: runtime/%.c
	@mkdir -p $(@D)
	$(CC) $(STD) $(CFLAGS) $(WARN) -Iruntime $(DEPS) -c $< -o $@
$(B)/study/%.o: study/%.c
	@mkdir -p $(@D)
	$(CC) $(STD) $(CFLAGS) $(WARN) $(CPPFLAGS) -DNETC_NETFLAGS='"$(NETFLAGS)"' \
	  -DNETC_LIBS='"$(LIBS)"' $(DEPS) -c $< -o $@
$(B)/gen/%.o: $(B)/gen/%.c
	$(CC) $(STD) $(CFLAGS) $(CPPFLAGS) $(DEPS) -c $< -o $@
$(B)/gen/parser.c $(B)/gen/parser.h &: compiler/parser.y
	@mkdir -p $(@D)
	bison -Wall -Werror=conflicts-sr -o $(B)/gen/parser.c --defines=$(B)/gen/parser.h $<
$(B)/gen/lexer.c: compiler/lexer.l $(B)/gen/parser.h
	flex -o $@ $<
# The prelude's text becomes a table of {file name, text}, in order of name.
$(B)/gen/prelude.c: $(PRELUDE) compiler/embed.sh
	@mkdir -p $(@D)
	sh compiler/embed.sh $(PRELUDE) > $@
$(B)/gen/report_css.c: study/report.css
	@mkdir -p $(@D)
	{ echo 'const char report_css[] ='; sed 's/[\\"]/\\&/g; s/.*/"&\\n"/' $<; echo ';'; } > $@

# --- networks: specs/NAME.net or examples/NAME.net -> generated/NAME.c -> build/NAME ---

# The program of a network: $(call compile_net,NAME,C FILE,PROGRAM), with the flags that its first
# line names.
compile_net = $(CC) $(NETFLAGS) $$(sed -n '1s/.*(\(-[^)]*\)).*/\1/p' $(2)) -Iruntime -DNETC_NET=$(1) \
	  $(2) runtime/main.c $(B)/libnetc.a $(LIBS) -o $(3)

# With TUNED=1 by the schedule that `make tune` has left beside the spec, where there is one.
tuned = $(if $(TUNED),$(addprefix --schedule=,$(wildcard $(basename $<).sched)))

run: $(SPEC:%=$(B)/%)  ## compile and train a network: make run SPEC=lstm_baseline
	@test -n "$(SPEC)" || { echo 'Which one? make run SPEC=NAME, NAME one of:'; \
	  echo '$(NETS)' | fmt; exit 2; }
	$(B)/$(SPEC) train --save $(B)/$(SPEC).safetensors $(ARGS)

tune: $(B)/netc  ## measure other schedules of a network, for TUNED=1: make tune SPEC=mlp_tuned
	$(B)/netc --tune --target $(TARGET) $(wildcard specs/$(SPEC).net examples/$(SPEC).net) \
	  -o $(dir $(wildcard specs/$(SPEC).net examples/$(SPEC).net)) $(ARGS)

specs: $(SPECS:%=$(B)/%)  ## compile the twelve networks of specs/, each to build/NAME

$(NETS:%=$(B)/%): $(B)/%: generated/%.c runtime/main.c $(B)/libnetc.a $(HEADERS)
	$(call compile_net,$*,$<,$@)
$(B)/target: force
	@mkdir -p $(@D); echo $(TARGET) $(TUNED) | cmp -s - $@ || echo $(TARGET) $(TUNED) > $@
$(SPECS:%=generated/%.c): generated/%.c: specs/%.net $(wildcard specs/*.net) $(B)/netc $(B)/target
	$(B)/netc --target $(TARGET) $(tuned) $< -o generated/
$(EXAMPLES:%=generated/%.c): generated/%.c: examples/%.net $(wildcard */*.net) $(B)/netc $(B)/target
	$(B)/netc --target $(TARGET) $(tuned) $< -o generated/

# The awkward networks and the variants that are measured, each to build/bench/NAME.
BENCHED    = $(sort $(basename $(notdir $(wildcard tests/bench/*.net))))
$(BENCHED:%=$(B)/bench/%): $(B)/bench/%: tests/bench/%.net $(B)/netc $(B)/libnetc.a $(B)/target
	$(B)/netc --target $(TARGET) $< -o $(@D)
	$(call compile_net,$*,$@.c,$@)
bench: specs  ## measure the twelve on 1 and 2 threads: samples/s, GFLOP/s, share of the fma peak
	@for s in $(SPECS); do for t in 1 2; do \
	  $(B)/$$s bench --resident --seconds 2 --threads $$t $(ARGS) || exit 1; \
	  $(B)/$$s bench --seconds 2 --threads $$t $(ARGS) || exit 1; done; done
bench-peers: specs $(BENCHED:%=$(B)/bench/%)  ## beside PyTorch, JAX, onnxruntime; needs TORCH=VENV
	python3 tests/bench/compare.py --build $(B) --cc $(CC) $(if $(TORCH),--torch $(TORCH)) \
	  $(if $(JAX),--jax $(JAX)) $(if $(ONNX),--onnx $(ONNX)) $(ARGS)
bench-startup: all  ## seconds to the first step, netc --jit beside JAX=VENV and TORCH=VENV
	python3 tests/bench/startup.py --netc $(B)/netc $(if $(TORCH),--torch $(TORCH)) \
	  $(if $(JAX),--jax $(JAX)) $(ARGS)
bench-cost: $(B)/bench/cost  ## how well predicted times of kernels rank schedules
	$(B)/bench/cost --cc $(CC) $(ARGS)
$(B)/bench/cost: tests/bench/cost.c $(B)/compiler.a
	@mkdir -p $(@D)
	$(CC) $(STD) $(CFLAGS) $(WARN) $(CPPFLAGS) $(DEPS) -Itests $< $(B)/compiler.a -lm -o $@
profile: $(SPEC:%=$(B)/profile/%)  ## tell the time of each kernel: make profile SPEC=lenet_tuned
	$(B)/profile/$(SPEC) bench --profile --resident --threads 1 $(ARGS)
$(B)/profile/%: $(B)/netc $(B)/libnetc.a force
	$(B)/netc --profile --target $(TARGET) $(wildcard specs/$*.net examples/$*.net) -o $(@D)
	$(call compile_net,$*,$@.c,$@)

STUDY_ARGS = --seeds 3 \
  --compare "the study=specs/study.csv" --compare PyTorch=tests/torch_accuracy.csv
study: all  ## train the twelve of specs/ with three seeds: build/study/report.html, docs/results.md
	CC="$(CC)" $(B)/netc study $(SPECS:%=specs/%.net) --target $(TARGET) -o $(B)/study $(STUDY_ARGS) \
	  $(if $(wildcard docs/conclusions.md),--conclusions docs/conclusions.md) $(ARGS); \
	  status=$$?; test ! -f $(B)/study/results.md || cp $(B)/study/results.md docs/results.md; \
	  exit $$status

# --- tests ---

$(B)/tests/unit_jit: CPPFLAGS += $(patsubst -I%,-isystem %,$(shell $(LLVM) --cppflags))
$(B)/tests/unit_jit: tests/unit_jit.c $(JIT_O) $(B)/compiler.a $(B)/libnetc.a
	@mkdir -p $(@D)
	$(CC) $(STD) $(CFLAGS) $(WARN) $(CPPFLAGS) $(DEPS) -Itests $< $(JIT_O) $(B)/compiler.a \
	  $(B)/libnetc.a $(JIT_LIBS) $$(pkg-config --cflags --libs check) $(LIBS) -lm -o $@
$(B)/tests/%: tests/%.c $(B)/compiler.a $(B)/libnetc.a $(B)/study.a
	@mkdir -p $(@D)
	$(CC) $(STD) $(CFLAGS) $(WARN) $(CPPFLAGS) $(DEPS) -Itests -Istudy $< $(B)/study.a \
	  $(B)/compiler.a $(B)/libnetc.a \
	  $$(pkg-config --cflags --libs check) $(LIBS) -lm -o $@

tests: all $(patsubst %,$(B)/tests/%,$(UNIT) $(FUZZ))  ## build the test programs
check:      ## run the tests (under 5 minutes)
check-all:  ## run all tests, however long they take (needs clang: make deps ALL=1)
check-all: export NETC_TEST_ALL = 1
check-all: SUITES += $(filter all_%,$(SCRIPTS))
check check-all:
	@mkdir -p $(B)/tests
	@{ $(MAKE) -sk -j2 tests; $(MAKE) -sk -j2 $(SANITIZE) tests; } > $(B)/tests/build.log 2>&1 || true
	@B=$(B) CC="$(CC)" MAKE="$(MAKE)" sh tests/run.sh $(SUITES)
accept: all  ## take what the compiler says now for what the tests expect; review the difference
	sh tests/golden.sh --accept $(B)/netc
	B=$(B) sh tests/readme.sh --accept

# --- installation ---

install: all  ## install netc, its runtime and netc.pc to DESTDIR/PREFIX
	install -d $(addprefix $(DESTDIR)$(PREFIX)/,bin lib/pkgconfig include/netc share/netc)
	install $(B)/netc $(NETC_JIT) $(B)/netc-study $(DESTDIR)$(PREFIX)/bin
	install -m 644 $(B)/libnetc.a $(DESTDIR)$(PREFIX)/lib
	install -m 644 $(HEADERS) $(DESTDIR)$(PREFIX)/include/netc
	install -m 644 runtime/main.c $(DESTDIR)$(PREFIX)/share/netc
	printf '%s\n' 'prefix=$(PREFIX)' 'main=$${prefix}/share/netc/main.c' '' 'Name: netc' \
	  'Description: runtime of networks compiled by netc' 'Version: $(VERSION)' \
	  'Cflags: -I$${prefix}/include/netc $(filter -f%,$(NETFLAGS))' \
	  'Libs: -L$${prefix}/lib -lnetc $(LIBS)' > $(DESTDIR)$(PREFIX)/lib/pkgconfig/netc.pc

uninstall:  ## remove what install put there
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/,bin/netc bin/netc-jit bin/netc-study \
	  lib/libnetc.a) \
	  $(DESTDIR)$(PREFIX)/lib/pkgconfig/netc.pc
	rm -rf $(DESTDIR)$(PREFIX)/include/netc $(DESTDIR)$(PREFIX)/share/netc

clean:  ## remove what was built
	rm -rf $(B) generated/*.[ch]

-include $(wildcard $(B)/*/*.d)
.DELETE_ON_ERROR:
force:
.PHONY: force all help deps run specs bench profile study tests check check-all accept install \
        uninstall clean bench-peers tune bench-startup bench-cost
