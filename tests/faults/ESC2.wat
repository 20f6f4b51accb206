;; Planted fault ESC2.
;; judge: jit:O2:moving => divergence
;; judge: jit:O2:moving:armed => divergence
;; judge: ir:O2 => divergence
(module
  (type $s (struct (field (mut i8))))
  (global $n (mut i32) (i32.const 511))
  (func (export "f") (result i32)
    (struct.get_s $s 0 (struct.new $s (global.get $n)))))
