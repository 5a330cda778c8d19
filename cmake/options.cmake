# Compiler settings that hold for every target. Why each: docs/decisions/0001-toolchain.md.
set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS ON)  # TRY is a statement expression
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")

set(PLIMSOLL_SANITIZE "" CACHE STRING "address,undefined | thread | empty")
set(PLIMSOLL_TEST_ROOMS "" CACHE STRING
    "Rooms whose tests are built; empty: all of them, and tests/ and bench/")
option(PLIMSOLL_FUZZ "Build the fuzzers (clang 19) instead of the tests" OFF)

# The same bits on every machine: no fused multiply-add, no machine-specific instructions.
add_compile_options(-Wall -Wextra -Wshadow -Wnon-virtual-dtor -Wno-missing-field-initializers
                    -ffp-contract=off)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  add_compile_options(-Werror)
endif()
add_compile_definitions($<$<NOT:$<CONFIG:Release>>:_GLIBCXX_ASSERTIONS>)

if(PLIMSOLL_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all)
  add_link_options(-fsanitize=address,undefined)
elseif(PLIMSOLL_SANITIZE)
  # g++ 12 warns of values that its own instrumentation leaves unset.
  add_compile_options(-fsanitize=${PLIMSOLL_SANITIZE} -fno-omit-frame-pointer
                      -fno-sanitize-recover=all -Wno-maybe-uninitialized)
  if("${PLIMSOLL_SANITIZE}" STREQUAL "thread")
    add_compile_options(-Wno-tsan)  # Asio's fences, which it does not follow
  endif()
  add_link_options(-fsanitize=${PLIMSOLL_SANITIZE})
endif()

# Paths relative to the checkout, so that two checkouts share what was compiled.
find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1
      ${CCACHE})
endif()
