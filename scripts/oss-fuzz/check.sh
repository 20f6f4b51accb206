#!/usr/bin/env bash
# Looks at what build.sh built, as ClusterFuzz will meet it: in another folder, read-only, with nothing of this machine.
#
#   scripts/oss-fuzz/check.sh OUT                        e.g. after  OUT=/tmp/out WORK=/tmp/work ... scripts/oss-fuzz/build.sh
#   scripts/oss-fuzz/check.sh --build SANITIZER...       builds into clean folders first: address, undefined, coverage
#
# For each target, what OSS-Fuzz's bad_build_check looks at, and a little more: it defines LLVMFuzzerTestOneInput; options,
# dictionary and (where the tree has seeds) corpus are beside it; it starts with -seed=1337 -runs=4 in a moved, read-only
# copy of the folder, from another working directory and with an empty environment, does the four runs, and runs its
# seeds; it has at least a hundred edges (none in a coverage build, which writes a profile instead); it calls the runtime of
# the sanitizer it is built with ($SANITIZER, or told by its symbols) and of no other; it needs no shared library that the
# image in which it runs has not.
#
#   PARALLAX_TARGETS="decode diff_module"   builds and looks at these alone
#   PARALLAX_STDLIB=libc++                  with --build: libc++, and a Binaryen built for it
# Exit code: 0 = all as it should be, 1 = something is not, 2 = bad usage.
set -uo pipefail
tree=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
if [ "${1:-}" = --build ]; then
  shift
  [ $# -ge 1 ] || { echo "check: which sanitizers? address, undefined, coverage" >&2; exit 2; }
  status=0
  for sanitizer in "$@"; do
    environment=$("$tree/scripts/oss-fuzz/environment.sh" libfuzzer "$sanitizer") || exit 2
    # Below the tree, and the tree's paths as seen from there: other checkouts compile nothing again.
    mkdir -p "$tree/build"
    clean=$(mktemp -d "$tree/build/oss.XXXXXX")
    (
      eval "$environment"
      export CCACHE_BASEDIR=$tree
      export OUT=$clean/out WORK=$clean/work
      "$tree/scripts/oss-fuzz/build.sh" > "$clean/log" 2>&1 && "$0" "$clean/out"
    ) || { status=1; echo "check: $sanitizer failed"; tail -n 20 "$clean/log"; }
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

# Runs the target as a bot does: elsewhere, with nothing but what the image sets.
as_bot() {
  local seconds=$1
  shift
  (cd / && env -i TMPDIR=/tmp UBSAN_OPTIONS=silence_unsigned_overflow=1 LLVM_PROFILE_FILE="$profile" \
    timeout "$seconds" "$@" < /dev/null 2>&1)
}

# Calls of a runtime's functions in the code, at most 2,000 counted: enough for every threshold.
calls_of() { objdump -d --no-show-raw-insn "$1" 2> /dev/null | grep -E -m 2000 -c "call +[0-9a-f]+ <$2"; }

# Published thresholds: 1,000 calls of ASan's runtime under ASan and none without; 168 of UBSan's under UBSan, at most 200 without.
check_sanitizer() {
  local target=$1 name=$2 sanitizer=${SANITIZER:-} asan ubsan
  asan=$(calls_of "$target" __asan) ubsan=$(calls_of "$target" __ubsan)
  [ -n "$sanitizer" ] || { [ "$asan" -gt 0 ] && sanitizer=address || sanitizer=other; }
  case $sanitizer in
    address)
      [ "$asan" -ge 1000 ] || complain "$name calls AddressSanitizer only $asan times"
      [ "$ubsan" -le 200 ] || complain "$name is built with UBSan too" ;;
    undefined)
      [ "$ubsan" -ge 168 ] || complain "$name calls UBSan only $ubsan times"
      [ "$asan" -eq 0 ] || complain "$name is built with AddressSanitizer too" ;;
    *) [ "$asan" -eq 0 ] || complain "$name is built with AddressSanitizer" ;;
  esac
}

# What the runner's image has: the C library's parts and, for builds by hand, GCC's C++ library. What else a target needs it
# must find beside itself.
kHas='^(libc|libm|libdl|librt|libpthread|libresolv|libgcc_s|libstdc\+\+|ld-linux-x86-64)\.so'
check_libraries() {
  local library
  while read -r library; do
    [[ $library =~ $kHas ]] || ldd "$1" | grep -qF "$library => $moved/elsewhere/lib/$library" ||
      complain "$2 needs $library, which another image may not have"
  done < <(readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
}

check_one() {
  local name=$1 target=$2 output edges seeds
  profile=$moved/$name.profraw
  [ -s "$target.options" ] || complain "$name has no options"
  [ -s "$target.dict" ] || complain "$name has no dictionary"
  grep -aq LLVMFuzzerTestOneInput "$target" || complain "$name does not name LLVMFuzzerTestOneInput"
  if [ -d "$tree/fuzz/corpus/${name#fuzz_}" ]; then
    [ -s "${target}_seed_corpus.zip" ] || complain "$name has seeds in the tree and none beside it"
  fi
  check_libraries "$target" "$name"
  check_sanitizer "$target" "$name"
  output=$(as_bot 120 "$target" -seed=1337 -runs=4) || complain "$name does not start: $(tail -n 3 <<< "$output")"
  grep -q 'Done 4 runs' <<< "$output" || complain "$name did not do its four runs"
  edges=$(sed -n 's/.*Loaded [0-9]* modules *(\([0-9]*\) inline.*/\1/p' <<< "$output" | head -n 1)
  [ -n "$edges" ] || [ -s "$profile" ] || complain "$name has neither edges nor a profile"
  [ -z "$edges" ] || [ "$edges" -ge 100 ] || complain "$name has only $edges edges"
  [ -s "${target}_seed_corpus.zip" ] || return 0
  seeds=$(mktemp -d)
  unzip -q "${target}_seed_corpus.zip" -d "$seeds"
  output=$(as_bot 600 "$target" -runs=0 "$seeds") ||
    complain "$name fails on its seeds: $(grep -a -m 1 -E 'ERROR|ASSERTION|runtime error' <<< "$output")"
  rm -rf "$seeds"
}

count=0
for name in ${PARALLAX_TARGETS:-$(cd "$tree/fuzz/targets" && ls -- *.cc)}; do
  name=fuzz_$(sed 's/[.]cc$//;s/^fuzz_//' <<< "$name")
  [ -x "$moved/elsewhere/$name" ] || { complain "$name was not built"; continue; }
  count=$((count + 1))
  check_one "$name" "$moved/elsewhere/$name"
done
[ $failed -ne 0 ] || echo "check: $count targets as they should be"
exit $failed
