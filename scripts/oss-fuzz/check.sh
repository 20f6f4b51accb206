#!/usr/bin/env bash
# Looks at what build.sh built, as ClusterFuzz will meet it: in another folder, read-only, with nothing of this machine.
#
#   scripts/oss-fuzz/check.sh OUT                        e.g. after  OUT=/tmp/out WORK=/tmp/work ... scripts/oss-fuzz/build.sh
#   scripts/oss-fuzz/check.sh --build SANITIZER...       builds into clean folders first: address, undefined, coverage
#
# For each target: its options, dictionary and (where the tree has seeds) corpus are beside it; it defines
# LLVMFuzzerTestOneInput; it starts with -seed=1337 -runs=4 in a moved, read-only copy of the folder, from another working
# directory and with an empty environment, and runs its seeds; it has at least a hundred edges.
# PARALLAX_TARGETS="decode diff_module" builds and looks at these alone.
# Exit code: 0 = all as it should be, 1 = something is not, 2 = bad usage.
set -uo pipefail
tree=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
flags_of() {
  case $1 in
    address) echo "-O1 -g1 -fsanitize=address,fuzzer-no-link" ;;
    undefined) echo "-O1 -g1 -fsanitize=undefined,fuzzer-no-link -fno-sanitize-recover=undefined" ;;
    coverage) echo "-O1 -g1 -fprofile-instr-generate -fcoverage-mapping -fsanitize=fuzzer-no-link" ;;
    *) return 1 ;;
  esac
}
if [ "${1:-}" = --build ]; then
  shift
  [ $# -ge 1 ] || { echo "check: which sanitizers? address, undefined, coverage" >&2; exit 2; }
  status=0
  for sanitizer in "$@"; do
    flags=$(flags_of "$sanitizer") || { echo "check: no such sanitizer: $sanitizer" >&2; exit 2; }
    clean=$(mktemp -d)
    CC=${CC:-clang-19} CXX=${CXX:-clang++-19} CFLAGS=$flags CXXFLAGS=$flags LIB_FUZZING_ENGINE=-fsanitize=fuzzer \
      SANITIZER=$sanitizer OUT=$clean/out WORK=$clean/work "$tree/scripts/oss-fuzz/build.sh" > "$clean/log" 2>&1 &&
      "$0" "$clean/out" || { status=1; echo "check: $sanitizer failed"; tail -n 20 "$clean/log"; }
    rm -rf "$clean"
  done
  exit $status
fi
[ $# -eq 1 ] && [ -d "$1" ] || { sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; exit 2; }

moved=$(mktemp -d)
trap 'chmod -R u+w "$moved"; rm -rf "$moved"' EXIT
cp -r "$1" "$moved/elsewhere"
chmod -R a-w "$moved/elsewhere"
failed=0
complain() { echo "check: $*"; failed=1; }

count=0
for name in ${PARALLAX_TARGETS:-$(cd "$tree/fuzz/targets" && ls -- *.cc)}; do
  name=${name%.cc} name=${name#fuzz_}
  target=$moved/elsewhere/fuzz_$name
  [ -x "$target" ] || { complain "fuzz_$name was not built"; continue; }
  count=$((count + 1))
  [ -s "$target.options" ] || complain "fuzz_$name has no options"
  grep -aq LLVMFuzzerTestOneInput "$target" || complain "fuzz_$name does not name LLVMFuzzerTestOneInput"
  if [ -d "$tree/fuzz/corpus/$name" ]; then
    [ -s "${target}_seed_corpus.zip" ] || complain "fuzz_$name has seeds in the tree and none beside it"
  fi
  output=$(cd / && env -i TMPDIR=/tmp timeout 120 "$target" -seed=1337 -runs=4 2>&1) ||
    complain "fuzz_$name does not start: $(tail -n 3 <<< "$output")"
  edges=$(sed -n 's/.*Loaded [0-9]* modules *(\([0-9]*\) inline.*/\1/p' <<< "$output" | head -n 1)
  [ -z "$edges" ] || [ "$edges" -ge 100 ] || complain "fuzz_$name has only $edges edges"
  if [ -s "${target}_seed_corpus.zip" ]; then
    seeds=$(mktemp -d)
    unzip -q "${target}_seed_corpus.zip" -d "$seeds"
    output=$(cd / && env -i TMPDIR=/tmp timeout 300 "$target" -runs=0 "$seeds" 2>&1) ||
      complain "fuzz_$name fails on its seeds: $(grep -a -m 1 -E 'ERROR|ASSERTION' <<< "$output")"
    rm -rf "$seeds"
  fi
done
[ $failed -ne 0 ] || echo "check: $count targets as they should be"
exit $failed
