;; Planted fault SL1.
;; judge: jit:O1:moving:armed => I1: id from different slab
(module
  (type $f (func (result i32)))
  (func $g (type $f) (i32.const 7))
  (elem declare func $g)
  (func (export "f") (result i32) (call_ref $f (ref.func $g))))
