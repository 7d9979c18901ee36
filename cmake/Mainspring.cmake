# Build conventions shared by every folder: options, compiler flags, and the three functions that
# declare a library, a test program and a benchmark. Sources are globbed, so that a file that
# exists is a file that is built.
option(MAINSPRING_BUILD_TESTS "Build the GoogleTest programs" ${PROJECT_IS_TOP_LEVEL})
option(MAINSPRING_BUILD_BENCH "Build the Google Benchmark programs" OFF)
option(MAINSPRING_BUILD_PYTHON "Build the Python module" OFF)
option(MAINSPRING_BUILD_FUZZ "Build the libFuzzer programs (clang only)" OFF)
option(MAINSPRING_WERROR "Treat warnings as errors" ON)
option(MAINSPRING_ORDER_CHAOS
       "Shuffle hash seeds and allocator addresses: digests must not move" OFF)
set(MAINSPRING_SANITIZE "" CACHE STRING "Argument of -fsanitize=, empty for none")

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  # The base directory makes objects of different clones of the repository interchangeable.
  # The sloppiness is what ccache asks for to cache a file that uses a precompiled header; nothing
  # here is made of __TIME__ or __DATE__.
  set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1
      CCACHE_SLOPPINESS=pch_defines,time_macros ${CCACHE_PROGRAM})
endif()

# The system's interpreter, not the first on PATH (pyenv, conda): the Python module, NumPy and
# pytest must be of one kind. -DPython_EXECUTABLE=... chooses another.
if(NOT Python_EXECUTABLE AND EXISTS /usr/bin/python3)
  set(Python_EXECUTABLE /usr/bin/python3 CACHE FILEPATH "Interpreter that the module is built for")
endif()
set(Python3_EXECUTABLE ${Python_EXECUTABLE})
set(PYTHON_EXECUTABLE ${Python_EXECUTABLE})

find_package(fmt REQUIRED)
find_package(Python3 COMPONENTS Interpreter REQUIRED)

# Flags that every target of the project is compiled with.
add_library(mainspring_flags INTERFACE)
target_include_directories(mainspring_flags INTERFACE ${PROJECT_SOURCE_DIR})
# No fused multiply-add: the last bit of a double must not depend on the compiler or the machine.
target_compile_options(mainspring_flags INTERFACE -ffp-contract=off)
if(PROJECT_IS_TOP_LEVEL)
  target_compile_options(
    mainspring_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion
                               -Wold-style-cast -Wno-missing-field-initializers)
  if(MAINSPRING_WERROR)
    target_compile_options(mainspring_flags INTERFACE -Werror)
  endif()
endif()
# ccache needs to see the precompiled header in preprocessed text, and clang's to be without the
# time at which it was made.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(mainspring_flags INTERFACE -fpch-preprocess)
  # gcc's garbage collector starts at a heap hardly larger than the precompiled header: an eighth of
  # the build went into collections that freed little. In KiB.
  target_compile_options(mainspring_flags INTERFACE "SHELL:--param ggc-min-heapsize=1048576")
elseif(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  target_compile_options(mainspring_flags INTERFACE "SHELL:-Xclang -fno-pch-timestamp")
endif()
if(MAINSPRING_SANITIZE)
  target_compile_options(mainspring_flags INTERFACE -fsanitize=${MAINSPRING_SANITIZE}
                                                    -fno-sanitize-recover=all
                                                    -fno-omit-frame-pointer -g1)
  target_link_options(mainspring_flags INTERFACE -fsanitize=${MAINSPRING_SANITIZE})
endif()
if(MAINSPRING_ORDER_CHAOS)
  target_compile_definitions(mainspring_flags INTERFACE MAINSPRING_ORDER_CHAOS=1)
endif()

if(MAINSPRING_BUILD_BENCH)
  add_custom_target(bench)
endif()

# mainspring_precompile(TARGET FOLDER): uses FOLDER/precompiled.h, which the first target that names
# it compiles for all.
function(mainspring_precompile target folder)
  get_property(owner GLOBAL PROPERTY mainspring_precompiled_${folder})
  if(owner)
    target_precompile_headers(${target} REUSE_FROM ${owner})
  else()
    target_precompile_headers(${target} PRIVATE ${PROJECT_SOURCE_DIR}/${folder}/precompiled.h)
    set_property(GLOBAL PROPERTY mainspring_precompiled_${folder} ${target})
  endif()
endfunction()

# mainspring_cold(TARGET...): code that runs before or after a simulation. -O2 costs a third of its
# build time and gains nothing that anybody would notice.
function(mainspring_cold)
  foreach(target IN LISTS ARGV)
    target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-Og>)
  endforeach()
endfunction()

# mainspring_library(NAME LINKS target...): the static library of this folder, from its *.cpp.
function(mainspring_library name)
  cmake_parse_arguments(ARG "" "" "LINKS;PRIVATE_LINKS;SOURCES;EXCLUDE" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS *.cpp plugins/*.cpp)
  foreach(pattern IN LISTS ARG_EXCLUDE)
    list(FILTER sources EXCLUDE REGEX ${pattern})
  endforeach()
  if(sources OR ARG_SOURCES)
    add_library(${name} STATIC ${sources} ${ARG_SOURCES})
    target_link_libraries(${name} PUBLIC mainspring_flags ${ARG_LINKS} PRIVATE ${ARG_PRIVATE_LINKS})
    if(name STREQUAL mainspring_sim OR name STREQUAL mainspring_api)
      mainspring_precompile(${name} sim)
    else()
      mainspring_precompile(${name} models)
    endif()
  else()
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE mainspring_flags ${ARG_LINKS})
  endif()
endfunction()

# mainspring_test(NAME LINKS target... [LABELS label...]): one GoogleTest program from this
# folder's *_test.cpp. The label is `unit` unless given.
function(mainspring_test name)
  cmake_parse_arguments(ARG "" "" "LINKS;LABELS" ${ARGN})
  if(NOT ARG_LABELS)
    set(ARG_LABELS unit)
  endif()
  file(GLOB sources CONFIGURE_DEPENDS *_test.cpp)
  if(NOT sources)
    return()
  endif()
  add_executable(${name} ${sources})
  target_link_libraries(${name} PRIVATE mainspring_flags ${ARG_LINKS} GTest::gmock
                                        GTest::gtest_main)
  mainspring_cold(${name})
  # With precompiled headers gcc 12 warns of std::string's own concatenation (its PR 105651).
  target_compile_options(${name} PRIVATE -Wno-sign-conversion -Wno-conversion
                                         -Wno-array-bounds -Wno-stringop-overflow)
  target_compile_definitions(${name} PRIVATE MAINSPRING_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  mainspring_precompile(${name} tests)
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}")
endfunction()

# mainspring_bench(NAME [SOURCES file...] LINKS target...): one Google Benchmark program from
# NAME.cpp, or the sources. Not part of `all`: the target `bench` builds them.
function(mainspring_bench name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS" ${ARGN})
  if(NOT ARG_SOURCES)
    set(ARG_SOURCES ${name}.cpp)
  endif()
  add_executable(bench_${name} EXCLUDE_FROM_ALL ${ARG_SOURCES})
  add_dependencies(bench bench_${name})
  target_link_libraries(bench_${name} PRIVATE mainspring_flags ${ARG_LINKS}
                                              benchmark::benchmark_main)
endfunction()

# mainspring_fuzz(NAME LINKS target...): one libFuzzer program from NAME.cpp. The preset `fuzz`
# instruments the libraries.
function(mainspring_fuzz name)
  cmake_parse_arguments(ARG "" "" "LINKS" ${ARGN})
  add_executable(fuzz_${name} ${name}.cpp)
  target_link_libraries(fuzz_${name} PRIVATE mainspring_flags ${ARG_LINKS})
  target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
endfunction()
