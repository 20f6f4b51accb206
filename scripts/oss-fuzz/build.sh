#!/bin/bash -eu
# Builds all fuzz targets for OSS-Fuzz, ClusterFuzz and ClusterFuzzLite.
#
# Takes everything from the standard environment: CC, CXX, CFLAGS, CXXFLAGS, LIB_FUZZING_ENGINE, SANITIZER, OUT, WORK, and
# SRC is not needed: the tree is where this file is.  SANITIZER is address, undefined or coverage; what it means stands in
# the flags already, except that coverage needs its sources kept beside the build, which they are.  Writes to $OUT: each target, its seed corpus (<target>_seed_corpus.zip from fuzz/corpus/<name>), its dictionary and its options.
# Targets are linked statically against everything except the C library, because they run in another image.
# By hand, outside an image:
#   CC=clang-19 CXX=clang++-19 CFLAGS="-O1 -fsanitize=address,fuzzer-no-link" CXXFLAGS="$CFLAGS" \
#   LIB_FUZZING_ENGINE=-fsanitize=fuzzer OUT=/tmp/out WORK=/tmp/out-work scripts/oss-fuzz/build.sh
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
: "${CC:?}" "${CXX:?}" "${LIB_FUZZING_ENGINE:?}" "${OUT:?}" "${WORK:?}"
SANITIZER=${SANITIZER:-address}
case $SANITIZER in
  address | undefined | coverage | none) ;;
  *) echo "build.sh: sanitizer $SANITIZER is not supported (address, undefined, coverage)" >&2; exit 2 ;;
esac
mkdir -p "$OUT" "$WORK"
OUT=$(cd "$OUT" && pwd) WORK=$(cd "$WORK" && pwd)

# The distribution's fmt is compiled for libstdc++; images use libc++.
export CXXFLAGS="${CXXFLAGS:-} -DFMT_HEADER_ONLY=1"

# Binaryen with the same compiler, standard library and sanitizer as everything else.
export PARALLAX_CACHE=$WORK/cache
PARALLAX_CXX=$CXX scripts/bootstrap --no-packages

cmake -S . -B "$WORK/build" -G Ninja -DCMAKE_C_COMPILER="$CC" -DCMAKE_CXX_COMPILER="$CXX" \
      -DCMAKE_BUILD_TYPE=None -DPARALLAX_BUILD_TESTS=OFF -DPARALLAX_STATIC_LIBRARIES=ON \
      -DPARALLAX_FUZZING_ENGINE="$LIB_FUZZING_ENGINE"
cmake --build "$WORK/build" --target fuzz_targets -j "${PARALLAX_JOBS:-$(nproc)}"

for target in "$WORK"/build/fuzz_*; do
  [ -x "$target" ] && [ -f "$target" ] || continue
  target=$(basename "$target")
  name=${target#fuzz_}
  cp "$WORK/build/$target" "$OUT/"
  for corpus in "fuzz/corpus/$name" "fuzz/corpus/$target"; do
    [ ! -d "$corpus" ] || (cd "$corpus" && find . -type f | LC_ALL=C sort | zip -q -@ "$OUT/${target}_seed_corpus.zip")
  done
  case $name in *wat* | *wast* | *text*) common=fuzz/dict/wat.dict ;; *) common=fuzz/dict/wasm.dict ;; esac
  for dictionary in "$common" "fuzz/dict/$name.dict" "fuzz/dict/$target.dict"; do
    [ ! -f "$dictionary" ] || cp "$dictionary" "$OUT/$target.dict"
  done
  for options in "fuzz/targets/$name.options" "fuzz/targets/$target.options"; do
    [ ! -f "$options" ] || cp "$options" "$OUT/$target.options"
  done
done
ls -l "$OUT"
