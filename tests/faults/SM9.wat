;; Planted fault SM9.
;; judge: jit:O1:moving:armed => I2: after safepoints: slot s\d+ .home of v\d+. is listed but not live
;; judge: jit:O1:moving:zeal=every:armed:unverified => I2: (.* lists slot \d+, which was not stored|frame .* holds .*, (a name outside the live space|not an object start))
(module
  (type $s (struct (field i32)))
  (func $g (param $n i32) (result i32) (drop (struct.new $s (i32.const 1))) (local.get $n))
  (func $dirty (param i64 i64 i64 i64) (result i64)
    (i64.add (i64.mul (local.get 0) (local.get 1)) (i64.mul (local.get 2) (local.get 3))))
  (func (export "f") (result i32) (local $x (ref null $s)) (local $y (ref null $s))
    (drop (call $g (i32.const 0)))
    (local.set $x (struct.new $s (i32.const 7)))
    (local.set $y (struct.new $s (i32.const 8)))
    (drop (call $g (i32.const 1)))
    (i32.add (struct.get $s 0 (local.get $x)) (struct.get $s 0 (local.get $y)))))
