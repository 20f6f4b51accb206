# Binaryen, if scripts/bootstrap has built it: imported target binaryen::min and PARALLAX_HAVE_BINARYEN.
#
# It lives in a cache outside the build folders (see scripts/bootstrap).  It is compiled without RTTI, and its include
# roots hold generic names (wasm.h, support/...), so only files called binaryen_*.cc see it: parallax_unit() gives these
# files the includes and -fno-rtti.  Everything builds without it; `#if PARALLAX_HAVE_BINARYEN` says what is then missing.

set(PARALLAX_HAVE_BINARYEN 0)
