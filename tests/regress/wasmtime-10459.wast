;; Wasmtime 10459: "id from different slab" without any collection.
;;
;; Cause there: the layout of structs put references first, so that a subtype with one more reference field had the shared
;; prefix at other offsets than its supertype: reading field 0 through the supertype gave an i31's bits as a function's id.
;; Only an executor with another object model sees it by comparing; an id with tag, generation and type sees it itself.
;;
;; fault: LAY1 on jit:O0:never
;; fault: LAY1 on jit:O1:moving:armed
(module
  (type $f (func (result i32)))
  (type $super (sub (struct (field (ref $f)))))
  (type $sub (sub $super (struct (field (ref $f)) (field (ref i31)))))
  (func $answer (type $f) (i32.const 42))
  (elem declare func $answer)
  (func $make (result (ref $super)) (struct.new $sub (ref.func $answer) (ref.i31 (i32.const 5))))
  (func (export "run") (result i32) (call_ref $f (struct.get $super 0 (call $make))))
  (func (export "added") (result i32) (i31.get_s (struct.get $sub 1 (ref.cast (ref $sub) (call $make)))))
)
(assert_return (invoke "run") (i32.const 42))
(assert_return (invoke "added") (i32.const 5))
