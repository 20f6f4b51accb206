;; Planted fault LOAD1.
;; judge: jit:O2:moving => divergence
;; judge: jit:O2:moving:armed => divergence
(module
  (type $s (sub (struct (field (mut i32)))))
  (type $t (sub $s (struct (field (mut i32)) (field (mut i32)))))
  (global $x (mut (ref null $s)) (ref.null $s))
  (global $y (mut (ref null $t)) (ref.null $t))
  (func (export "a") (local $o (ref $t))
    (local.set $o (struct.new $t (i32.const 1) (i32.const 2)))
    (global.set $x (local.get $o))
    (global.set $y (local.get $o)))
  (func (export "f") (result i32) (local $x (ref null $s)) (local $before i32)
    (local.set $x (global.get $x))
    (local.set $before (struct.get $s 0 (local.get $x)))
    (struct.set $t 0 (global.get $y) (i32.const 7))
    (i32.add (local.get $before) (struct.get $s 0 (local.get $x)))))
