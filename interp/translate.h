// Translates one function to threaded code, driven by the typed walk.
#pragma once

#include <memory>

#include "engine/base/result.h"
#include "interp/code.h"

namespace parallax::interp {

class Store;

// Requires func.instance. Error kUnsupported when the function exceeds a limit of the interpreter, with the reason;
// any other error would mean that validation and translation disagree.
Result<std::unique_ptr<Code>> translate(Store& store, const Func& func);

}  // namespace parallax::interp
