#!/usr/bin/env bash
# Prints, as lines for eval, the environment in which OSS-Fuzz's base-builder runs build.sh: the same flags for the same
# engine and sanitizer (its Dockerfile, `compile` and `compile_<engine>`), with the compilers of this machine.
#
#   eval "$(scripts/oss-fuzz/environment.sh ENGINE SANITIZER)"
#
#   ENGINE     libfuzzer, afl, honggfuzz or centipede
#   SANITIZER  address, undefined, coverage (libfuzzer) or none
#
# What is set already wins: CC, CXX, LIB_FUZZING_ENGINE.  Engines that are no part of Clang must be named:
#   afl        CC=afl-clang-fast CXX=afl-clang-fast++, which turn -fsanitize=fuzzer into the driver of AFL++
#   honggfuzz  LIB_FUZZING_ENGINE=.../honggfuzz.a (or libhfuzz.a)
#   centipede  LIB_FUZZING_ENGINE=.../libcentipede_runner.pic.a
# PARALLAX_STDLIB=libc++ takes libc++, as the images do; Binaryen must then be built by build.sh (no PARALLAX_CACHE).
set -euo pipefail
[ $# -eq 2 ] || { sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}" >&2; exit 2; }
engine=$1 sanitizer=$2

base="-O1 -fno-omit-frame-pointer -gline-tables-only"
for warning in incompatible-function-pointer-types int-conversion deprecated-declarations \
  implicit-function-declaration implicit-int unknown-warning-option vla-cxx-extension; do
  base+=" -Wno-error=$warning"
done
base+=" -DFUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION"

fatal=array-bounds,bool,builtin,enum,function,integer-divide-by-zero,null,object-size,return,returns-nonnull-attribute
fatal+=,shift,signed-integer-overflow,unreachable,vla-bound,vptr
case $sanitizer in
  address) sanitize="-fsanitize=address -fsanitize-address-use-after-scope" ;;
  undefined) sanitize="-fsanitize=$fatal,unsigned-integer-overflow -fno-sanitize-recover=$fatal" ;;
  coverage | none) sanitize="" ;;
  *) echo "environment: no sanitizer $sanitizer (address, undefined, coverage, none)" >&2; exit 2 ;;
esac

case $engine in
  libfuzzer) coverage="-fsanitize=fuzzer-no-link" ;;
  afl) coverage="" ;;
  honggfuzz) coverage="-fsanitize-coverage=trace-pc-guard,indirect-calls,trace-cmp" ;;
  centipede)
    coverage="-fno-builtin -fsanitize-coverage=trace-pc-guard,pc-table,trace-cmp -O2"
    coverage+=" -Wno-unused-command-line-argument -Wl,-ldl -Wl,-lrt -Wl,-lpthread" ;;
  *) echo "environment: no engine $engine (libfuzzer, afl, honggfuzz, centipede)" >&2; exit 2 ;;
esac
if [ "$sanitizer" = coverage ]; then
  coverage="-fprofile-instr-generate -fcoverage-mapping -pthread -Wl,--no-as-needed -Wl,-ldl -Wl,-lm"
  coverage+=" -Wno-unused-command-line-argument"
fi
case $engine in
  libfuzzer | afl) library=${LIB_FUZZING_ENGINE:--fsanitize=fuzzer} ;;
  *) library=${LIB_FUZZING_ENGINE:?names the archive of $engine} ;;
esac

flags="$base $sanitize $coverage"
cat << END
export CC='${CC:-clang-19}' CXX='${CXX:-clang++-19}' FUZZING_ENGINE='$engine' SANITIZER='$sanitizer'
export CFLAGS='$flags' CXXFLAGS='$flags${PARALLAX_STDLIB:+ -stdlib=$PARALLAX_STDLIB}'
export LIB_FUZZING_ENGINE='$library' UBSAN_OPTIONS='silence_unsigned_overflow=1'
END
