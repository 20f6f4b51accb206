;; Planted fault SM5.
;; judge: jit:O1:moving:armed => I2: after safepoints
;; judge: jit:O1:moving:zeal=every => .
;; judge: jit:O1:moving:zeal=every:armed:unverified => .
(module
  (type $s (struct (field i32)))
  (func $g (param (ref $s)))
  (func $touch (drop (struct.new $s (i32.const 1))))
  (func (export "f") (result i32) (local $i i32) (local $n i32) (local $x (ref null $s)) (local $y (ref null $s))
    (local.set $x (struct.new $s (i32.const 7)))
    (loop $l
      (local.set $n (i32.add (local.get $n) (struct.get $s 0 (local.get $x))))
      (local.set $y (struct.new $s (local.get $i)))
      (call $touch)
      (local.set $n (i32.add (local.get $n) (struct.get $s 0 (local.get $y))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $l (i32.lt_u (local.get $i) (i32.const 4))))
    (local.get $n)))
