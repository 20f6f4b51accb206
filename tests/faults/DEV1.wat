;; Planted fault DEV1.
;; judge: jit:O2:moving => divergence
;; judge: ir:O2 => divergence
(module
  (type $f (func (param i32) (result i32)))
  (elem declare func $double $triple)
  (func $double (type $f) (i32.mul (local.get 0) (i32.const 2)))
  (func $triple (type $f) (i32.mul (local.get 0) (i32.const 3)))
  (func $apply (param $g (ref $f)) (result i32) (call_ref $f (i32.const 7) (local.get $g)))
  (func (export "f") (result i32)
    (i32.add (call $apply (ref.func $double)) (call $apply (ref.func $triple)))))
