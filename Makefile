# Thin: every target makes the machine ready (scripts/setup) and calls a CMake preset.
JOBS ?= $(shell nproc)
FUZZ_SECONDS ?= 20

.PHONY: build run test sanitize fuzz bench format tidy setup clean

build: build/release/build.ninja  ## the binary: build/release/bin/plimsoll
	cmake --build --preset release -j $(JOBS)

test: build/release/build.ninja  ## everything, and every test
	cmake --build --preset release -j $(JOBS)
	ctest --preset release -j $(JOBS)

# Address and undefined behaviour everywhere, a few seconds of each fuzzer, then data races in the
# rooms that have threads.
sanitize: build/asan/build.ninja build/fuzz/build.ninja build/tsan/build.ninja
	cmake --build --preset asan -j $(JOBS)
	ctest --preset asan -j $(JOBS)
	cmake --build --preset fuzz -j $(JOBS)
	FUZZ_SECONDS=5 ctest --preset fuzz -j $(JOBS)
	cmake --build --preset tsan -j $(JOBS)
	ctest --preset tsan -j $(JOBS)

fuzz: build/fuzz/build.ninja  ## every fuzzer for FUZZ_SECONDS
	cmake --build --preset fuzz -j $(JOBS)
	FUZZ_SECONDS=$(FUZZ_SECONDS) ctest --preset fuzz -j $(JOBS)

bench: build/release/build.ninja  ## every benchmark program, at full size
	cmake --build --preset release -j $(JOBS)
	set -e; for program in build/release/bench/*_bench; do $$program; done

format: setup
	scripts/sources | xargs clang-format-19 -i

clean:
	rm -rf build

setup:
	@scripts/setup

build/%/build.ninja: CMakePresets.json | setup
	cmake --preset $*
