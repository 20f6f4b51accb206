;; Planted fault ESC2.
;; judge: jit:O2:moving => divergence
;; judge: jit:O2:moving:armed => divergence
;; judge: ir:O2 => divergence
(module
  (type $s (struct (field (mut i8))))
  (global $n (mut i32) (i32.const 511))
  (global $never (mut i32) (i32.const 0))
  (func (export "f") (result i32) (local $o (ref $s))
    (local.set $o (struct.new $s (global.get $n)))
    (if (global.get $never) (then (struct.set $s 0 (local.get $o) (i32.const 3))))
    (struct.get_s $s 0 (local.get $o))))
