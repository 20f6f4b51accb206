// GC types from C: rec groups, structs and arrays made by the host, i31, subtyping, exceptions, scopes.
#include <parallax_gc.h>

#include "support.h"

static wasm_store_t* store;
static parallax_tag_t* tag;

static wasm_trap_t* throw_it(const wasm_val_vec_t* args, wasm_val_vec_t* results) {
  (void)results;
  wasm_val_t payload[] = {WASM_I32_VAL(args->data[0].of.i32 * 2)};
  wasm_val_vec_t values = WASM_ARRAY_VEC(payload);
  return parallax_exception_new(store, tag, &values);
}

int main(void) {
  wasm_engine_t* engine = wasm_engine_new();
  store = wasm_store_new(engine);
  parallax_type_t* types[3];
  CHECK(parallax_types_new(store,
                           "(rec (type $tree (sub (struct (field (mut i32)) (field (mut (ref null $trees)))))"
                           "     ) (type $trees (array (mut (ref null $tree)))))"
                           "(type (sub $tree (struct (field (mut i32)) (field (mut (ref null $trees))) (field i8))))",
                           types, 3) == 3);
  CHECK(parallax_type_kind(types[1]) == PARALLAX_TYPE_ARRAY && parallax_type_field_count(types[2]) == 3);
  CHECK(parallax_type_is_subtype(types[2], types[0]) && !parallax_type_is_subtype(types[0], types[2]));

  wasm_functype_t* tag_type = wasm_functype_new_1_0(wasm_valtype_new_i32());
  tag = parallax_tag_new(store, tag_type);
  wasm_func_t* thrower = wasm_func_new(store, tag_type, throw_it);
  wasm_functype_delete(tag_type);
  wasm_module_t* module = module_from(
      store,
      "(module (rec (type $tree (sub (struct (field (mut i32)) (field (mut (ref null $trees))))))"
      "             (type $trees (array (mut (ref null $tree)))))"
      "  (import \"\" \"tag\" (tag $tag (param i32))) (import \"\" \"throw\" (func $throw (param i32)))"
      "  (func $sum (export \"sum\") (param $t (ref null $tree)) (result i32) (local $i i32) (local $n i32)"
      "    (if (ref.is_null (local.get $t)) (then (return (i32.const 0))))"
      "    (local.set $n (struct.get $tree 0 (local.get $t)))"
      "    (if (ref.is_null (struct.get $tree 1 (local.get $t))) (then (return (local.get $n))))"
      "    (loop $more"
      "      (if (i32.lt_u (local.get $i) (array.len (struct.get $tree 1 (local.get $t))))"
      "        (then"
      "          (local.set $n (i32.add (local.get $n) (call $sum"
      "            (array.get $trees (struct.get $tree 1 (local.get $t)) (local.get $i)))))"
      "          (local.set $i (i32.add (local.get $i) (i32.const 1)))"
      "          (br $more))))"
      "    (local.get $n))"
      "  (func (export \"catch\") (param i32) (result i32)"
      "    (block $h (result i32) (try_table (catch $tag $h) (call $throw (local.get 0))) (i32.const -1)))"
      "  (func (export \"any\") (param anyref) (result anyref) (local.get 0)))");
  wasm_extern_t* items[] = {parallax_tag_as_extern(tag), wasm_func_as_extern(thrower)};
  wasm_extern_vec_t imports = WASM_ARRAY_VEC(items);
  wasm_instance_t* instance = wasm_instance_new(store, module, &imports, NULL);
  CHECK(instance != NULL);
  wasm_extern_vec_t exports;
  wasm_instance_exports(instance, &exports);
  wasm_func_t* sum = wasm_extern_as_func(exports.data[0]);

  // A tree of ten leaves below one root, made here, within a scope that ends all handles but the root's.
  parallax_scope_t* scope = parallax_scope_new(store);
  wasm_trap_t* trap = NULL;
  wasm_ref_t* leaves = parallax_array_new_default(store, types[1], 10, &trap);
  CHECK(leaves != NULL && trap == NULL && parallax_ref_length(leaves) == 10);
  for (int i = 0; i < 10; ++i) {
    wasm_val_t fields[] = {WASM_I32_VAL(i), WASM_INIT_VAL, WASM_I32_VAL(0x1ff)};
    wasm_val_vec_t vec = WASM_ARRAY_VEC(fields);
    wasm_val_t leaf = WASM_REF_VAL(parallax_struct_new(store, types[2], &vec, &trap));
    CHECK(leaf.of.ref != NULL && parallax_ref_set(leaves, (size_t)i, &leaf));
    wasm_val_t packed;
    CHECK(parallax_ref_get(leaf.of.ref, 2, &packed) && packed.of.i32 == 0xff);
    parallax_store_collect(store);
  }
  wasm_val_t root_fields[] = {WASM_I32_VAL(100), WASM_REF_VAL(leaves)};
  wasm_val_vec_t root_vec = WASM_ARRAY_VEC(root_fields);
  wasm_ref_t* root = parallax_struct_new(store, types[0], &root_vec, &trap);
  parallax_scope_escape(scope, root);
  parallax_scope_delete(scope);
  parallax_store_collect(store);
  wasm_val_t arg[1] = {WASM_REF_VAL(root)};
  wasm_val_vec_t args = WASM_ARRAY_VEC(arg);
  wasm_val_t result[1] = {WASM_INIT_VAL};
  wasm_val_vec_t results = WASM_ARRAY_VEC(result);
  call(sum, &args, &results);
  CHECK(result[0].of.i32 == 145);
  parallax_type_t* type = parallax_ref_type(root);
  CHECK(parallax_type_same(type, types[0]));
  parallax_type_delete(type);
  wasm_valtype_t* leaf_type = parallax_valtype_new_ref(types[2], false);
  CHECK(!parallax_ref_matches(root, leaf_type) && !parallax_valtype_is_nullable(leaf_type));
  wasm_valtype_delete(leaf_type);
  CHECK(!parallax_ref_set(root, 7, &arg[0]) && parallax_error() == PARALLAX_ERROR_BOUNDS);

  // i31 through WebAssembly.
  wasm_ref_t* small = parallax_i31_new(store, -1);
  arg[0].of.ref = small;
  call(wasm_extern_as_func(exports.data[2]), &args, &results);
  CHECK(parallax_ref_kind(result[0].of.ref) == PARALLAX_REF_I31 && parallax_i31_get(result[0].of.ref) == -1);
  CHECK(wasm_ref_same(result[0].of.ref, small));
  wasm_val_delete(&result[0]);
  wasm_ref_delete(small);

  // Exceptions: caught by WebAssembly, or by the caller.
  CHECK(call_i32(wasm_extern_as_func(exports.data[1]), 1, (int32_t[]){21}) == 42);
  wasm_val_t one[1] = {WASM_I32_VAL(1)};
  wasm_val_vec_t one_vec = WASM_ARRAY_VEC(one);
  wasm_val_vec_t none = WASM_EMPTY_VEC;
  trap = wasm_func_call(thrower, &one_vec, &none);
  CHECK(trap != NULL && parallax_trap_kind(trap) == PARALLAX_TRAP_EXCEPTION && parallax_trap_has_tag(trap, tag));
  wasm_val_vec_t payload;
  CHECK(parallax_trap_payload(trap, &payload) && payload.size == 1 && payload.data[0].of.i32 == 2);
  wasm_val_vec_delete(&payload);
  wasm_trap_delete(trap);

  CHECK(parallax_store_verify(store));
  wasm_ref_delete(root);
  for (int i = 0; i < 3; ++i) parallax_type_delete(types[i]);
  parallax_tag_delete(tag);
  wasm_func_delete(thrower);
  wasm_extern_vec_delete(&exports);
  wasm_instance_delete(instance);
  wasm_module_delete(module);
  wasm_store_delete(store);
  wasm_engine_delete(engine);
  CHECK(parallax_live_handles() == 0);
  return 0;
}
