// Types as values: what a module wants and gives, and what its exports turn out to be.
#include "support.h"

static bool named(const wasm_name_t* name, const char* text) {
  return name->size == strlen(text) && memcmp(name->data, text, name->size) == 0;
}

int main(void) {
  wasm_engine_t* engine = wasm_engine_new();
  wasm_store_t* store = wasm_store_new(engine);
  wasm_module_t* module = module_from(store,
                                      "(module (import \"env\" \"log\" (func (param i64 externref)))"
                                      "  (func (export \"f\") (param i32 f32) (result f64 i64) unreachable)"
                                      "  (global (export \"g\") (mut f64) (f64.const 0))"
                                      "  (table (export \"t\") 3 10 funcref)"
                                      "  (memory (export \"m\") 1))");
  wasm_importtype_vec_t imports;
  wasm_module_imports(module, &imports);
  CHECK(imports.size == 1);
  CHECK(named(wasm_importtype_module(imports.data[0]), "env") && named(wasm_importtype_name(imports.data[0]), "log"));
  const wasm_functype_t* log = wasm_externtype_as_functype_const(wasm_importtype_type(imports.data[0]));
  CHECK(log != NULL && wasm_functype_params(log)->size == 2 && wasm_functype_results(log)->size == 0);
  CHECK(wasm_valtype_kind(wasm_functype_params(log)->data[1]) == WASM_EXTERNREF);

  wasm_exporttype_vec_t exports;
  wasm_module_exports(module, &exports);
  CHECK(exports.size == 4);
  const char* names[] = {"f", "g", "t", "m"};
  const wasm_externkind_t kinds[] = {WASM_EXTERN_FUNC, WASM_EXTERN_GLOBAL, WASM_EXTERN_TABLE, WASM_EXTERN_MEMORY};
  for (size_t i = 0; i < 4; ++i) {
    CHECK(named(wasm_exporttype_name(exports.data[i]), names[i]));
    CHECK(wasm_externtype_kind(wasm_exporttype_type(exports.data[i])) == kinds[i]);
  }
  const wasm_functype_t* f = wasm_externtype_as_functype_const(wasm_exporttype_type(exports.data[0]));
  CHECK(wasm_valtype_kind(wasm_functype_params(f)->data[1]) == WASM_F32);
  CHECK(wasm_valtype_kind(wasm_functype_results(f)->data[0]) == WASM_F64);
  CHECK(wasm_externtype_as_memorytype_const(wasm_exporttype_type(exports.data[0])) == NULL);
  const wasm_globaltype_t* g = wasm_externtype_as_globaltype_const(wasm_exporttype_type(exports.data[1]));
  CHECK(wasm_globaltype_mutability(g) == WASM_VAR && wasm_valtype_kind(wasm_globaltype_content(g)) == WASM_F64);
  const wasm_tabletype_t* t = wasm_externtype_as_tabletype_const(wasm_exporttype_type(exports.data[2]));
  CHECK(wasm_tabletype_limits(t)->min == 3 && wasm_tabletype_limits(t)->max == 10);
  const wasm_memorytype_t* m = wasm_externtype_as_memorytype_const(wasm_exporttype_type(exports.data[3]));
  CHECK(wasm_memorytype_limits(m)->min == 1 && wasm_memorytype_limits(m)->max == wasm_limits_max_default);

  // A copy outlives the vector that it came from; a part does not, and its use is refused.
  wasm_exporttype_t* copy = wasm_exporttype_copy(exports.data[0]);
  const wasm_valtype_t* part = wasm_globaltype_content(g);
  wasm_exporttype_vec_delete(&exports);
  CHECK(named(wasm_exporttype_name(copy), "f"));
  parallax_error_clear();
  CHECK(wasm_valtype_kind(part) == 0 && parallax_error() == PARALLAX_ERROR_DELETED);

  wasm_exporttype_delete(copy);
  wasm_importtype_vec_delete(&imports);
  wasm_module_delete(module);
  wasm_store_delete(store);
  wasm_engine_delete(engine);
  CHECK(parallax_live_handles() == 0);
  return 0;
}
