#!/bin/bash -eu
# Builds all fuzz targets for OSS-Fuzz, ClusterFuzz and ClusterFuzzLite.
#
# Takes everything from the standard environment: CC, CXX, CFLAGS, CXXFLAGS, LIB_FUZZING_ENGINE, SANITIZER, OUT, WORK, and
# SRC is not needed: the tree is where this file is.  SANITIZER is address, undefined or coverage; what it means stands in
# the flags already, except that coverage needs its sources kept beside the build, which they are.  Writes to $OUT: each
# target, its seed corpus (<target>_seed_corpus.zip from fuzz/corpus/<name>), its dictionary and its options.
# Targets are linked statically against everything except the system's C and C++ libraries (libc++ of an image is static),
# because they run in another image.
#
#   PARALLAX_TARGETS="decode diff_module"   only these; all sources in fuzz/targets when unset
#   PARALLAX_CACHE=FOLDER                   where Binaryen is, or is built; unset: built in $WORK with the same flags, which
#                                           libc++ needs.  With libstdc++ that of scripts/bootstrap (~/.cache/parallax) will do.
#   PARALLAX_JOBS=N                         compilers at a time
#
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
targets=()
for name in ${PARALLAX_TARGETS:-$(cd fuzz/targets && ls -- *.cc)}; do
  name=${name%.cc} name=${name#fuzz_}
  [ -f "fuzz/targets/$name.cc" ] || { echo "build.sh: no target $name in fuzz/targets" >&2; exit 2; }
  targets+=("fuzz_$name")
done
mkdir -p "$OUT" "$WORK"
OUT=$(cd "$OUT" && pwd) WORK=$(cd "$WORK" && pwd)

# The distribution's fmt is compiled for libstdc++; images use libc++.
export CXXFLAGS="${CXXFLAGS:-} -DFMT_HEADER_ONLY=1"

# The same flags in another build folder compile nothing again.
export CCACHE_NOHASHDIR=1

# Binaryen with the same compiler, standard library and sanitizer as everything else, unless one is given. Its edges are
# nobody's feedback, and it is compiled without RTTI, which UBSan's `vptr` needs.
export PARALLAX_CACHE=${PARALLAX_CACHE:-$WORK/cache}
CXXFLAGS="$CXXFLAGS -fno-sanitize=fuzzer-no-link,vptr" PARALLAX_CXX=$CXX scripts/bootstrap --no-packages

cmake -S . -B "$WORK/build" -G Ninja -DCMAKE_C_COMPILER="$CC" -DCMAKE_CXX_COMPILER="$CXX" \
      -DCMAKE_BUILD_TYPE=None -DPARALLAX_BUILD_TESTS=OFF -DPARALLAX_STATIC_LIBRARIES=ON \
      -DPARALLAX_FUZZING_ENGINE="$LIB_FUZZING_ENGINE" -DCMAKE_BUILD_RPATH="\$ORIGIN/lib"
cmake --build "$WORK/build" --target "${targets[@]}" -j "${PARALLAX_JOBS:-$(nproc)}"

for target in "${targets[@]}"; do
  name=${target#fuzz_}
  cp "$WORK/build/$target" "$OUT/"
  # What the distribution has as a shared library only goes along; targets look for it beside themselves first.
  ldd "$WORK/build/$target" | while read -r library _ path _; do
    case $library in
      libc.so* | libm.so* | libdl.so* | librt.so* | libpthread.so* | libresolv.so* | libgcc_s.so* | libstdc++.so*) ;;
      lib*.so*) mkdir -p "$OUT/lib" && cp -L "$path" "$OUT/lib/$library" ;;
    esac
  done
  rm -f "$OUT/${target}_seed_corpus.zip"
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
