;; Planted fault SM2.
;; judge: jit:O1:moving:armed => I2: after safepoints
;; judge: jit:O1:moving:zeal=every:poison => divergence
;; judge: jit:O1:moving:zeal=every:armed:unverified => I2: what is used
(module
  (type $s (struct (field i32)))
  (func $g (drop (struct.new $s (i32.const 1))))
  (func (export "f") (result i32) (local $i i32) (local $x (ref null $s))
    (local.set $x (struct.new $s (i32.const 7)))
    (loop $l
      (local.set $x (struct.new $s (i32.add (struct.get $s 0 (local.get $x)) (i32.const 1))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $l (i32.lt_u (local.get $i) (i32.const 3))))
    (loop $m
      (call $g)
      (local.set $i (i32.sub (local.get $i) (i32.const 1)))
      (if (i32.and (local.get $i) (i32.const 1)) (then (local.set $x (struct.new $s (i32.const 40)))))
      (br_if $m (local.get $i)))
    (struct.get $s 0 (local.get $x))))
