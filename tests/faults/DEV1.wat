;; Planted fault DEV1.
;; judge: jit:O2:moving => divergence
;; judge: ir:O2 => divergence
(module
  (type $f (func (param i32) (result i32)))
  (global $g (mut (ref $f)) (ref.func $double))
  (elem declare func $triple)
  (func $double (type $f) (i32.mul (local.get 0) (i32.const 2)))
  (func $triple (type $f) (i32.mul (local.get 0) (i32.const 3)))
  (func $apply (result i32) (call_ref $f (i32.const 7) (global.get $g)))
  (func (export "f") (result i32)
    (drop (call $apply))
    (global.set $g (ref.func $triple))
    (call $apply)))
