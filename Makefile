# Thin: every target makes the machine ready (scripts/setup) and calls a CMake preset.
JOBS ?= $(shell nproc)
FUZZ_SECONDS ?= 20

.PHONY: build run test sanitize fuzz bench format tidy setup clean help

build: build/release/build.ninja  ## the binary: build/release/bin/plimsoll
	cmake --build --preset release -j $(JOBS) --target plimsoll

run: build  ## vanilla Kubernetes against Plimsoll on the embedded cluster
	build/release/bin/plimsoll demo

test: build/release/build.ninja  ## everything, and every test
	cmake --build --preset release -j $(JOBS)
	ctest --preset release -j $(JOBS)

# Address and undefined behaviour everywhere, a few seconds of each fuzzer, then data races in the
# rooms that have threads.
sanitize: build/asan/build.ninja build/fuzz/build.ninja build/tsan/build.ninja  ## sanitizers
	cmake --build --preset asan -j $(JOBS)
	ctest --preset asan -j $(JOBS)
	cmake --build --preset fuzz -j $(JOBS) --target fuzzers
	FUZZ_SECONDS=5 ctest --preset fuzz -j $(JOBS)
	cmake --build --preset tsan -j $(JOBS)
	ctest --preset tsan -j $(JOBS)

fuzz: build/fuzz/build.ninja  ## every fuzzer for FUZZ_SECONDS
	cmake --build --preset fuzz -j $(JOBS) --target fuzzers
	FUZZ_SECONDS=$(FUZZ_SECONDS) ctest --preset fuzz -j $(JOBS)

bench: build/release/build.ninja  ## every benchmark program, at full size
	cmake --build --preset release -j $(JOBS)
	set -e; for program in build/release/bench/*_bench; do $$program; done

format: setup  ## lay every C++ file out
	scripts/sources | xargs clang-format-19 -i

tidy: setup  ## clang-tidy on what differs from main; ALL=1: on everything
	scripts/tidy $(if $(ALL),--all)

clean:
	rm -rf build

help:
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup:
	@scripts/setup

build/%/build.ninja: CMakePresets.json | setup
	cmake --preset $*
