;; Planted fault INL3.
;; judge: jit:O2:moving => divergence
;; judge: ir:O2 => divergence
(module
  (global $g (export "g") (mut i32) (i32.const 0))
  (func $leaf (result i32) (i32.const 1))
  (func $middle (result i32) (i32.add (call $leaf) (call $leaf)))
  (func $deep (export "f") (result i32)
    (global.set $g (i32.add (global.get $g) (call $middle)))
    (drop (call $deep))
    (i32.const 0)))
