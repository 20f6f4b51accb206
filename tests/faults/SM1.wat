;; Planted fault SM1.
;; judge: jit:O2:moving:armed => I2: after safepoints: slot s0 .home of v\d+. is live but not listed
;; judge: jit:O2:moving:zeal=every:poison => divergence
;; judge: jit:O0:nonmoving:zeal=every:poison => divergence
(module
  (type $s (struct (field i32)))
  (func $g (drop (struct.new $s (i32.const 1))))
  (func (export "f") (result i32) (local $x (ref null $s))
    (local.set $x (struct.new $s (i32.const 7)))
    (call $g)
    (struct.get $s 0 (local.get $x))))
