;; Planted fault LOAD1.
;; judge: jit:O2:moving => divergence
;; judge: jit:O2:moving:armed => divergence
(module
  (type $s (sub (struct (field (mut i32)))))
  (type $t (sub $s (struct (field (mut i32)) (field (mut i32)))))
  (func $both (param $x (ref $s)) (param $y (ref $t)) (result i32) (local $before i32)
    (local.set $before (struct.get $s 0 (local.get $x)))
    (struct.set $t 0 (local.get $y) (i32.const 7))
    (i32.add (local.get $before) (struct.get $s 0 (local.get $x))))
  (func (export "f") (result i32) (local $o (ref $t))
    (local.set $o (struct.new $t (i32.const 1) (i32.const 2)))
    (call $both (local.get $o) (local.get $o))))
