;; Planted fault SM4.
;; judge: jit:O0:moving => divergence
;; judge: jit:O2:moving:zeal=every:armed => divergence
(module
  (type $s (struct (field i32)))
  (func (export "f") (result i32) (local $x (ref null $s))
    (local.set $x (struct.new $s (i32.const 7)))
    (local.get $x)
    (local.set $x (struct.new $s (i32.const 8)))
    (struct.get $s 0)))
