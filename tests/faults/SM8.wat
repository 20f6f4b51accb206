;; Planted fault SM8.
;; judge: jit:O1:moving:armed => I2: after safepoints
;; judge: jit:O1:moving:zeal=every:poison => divergence
;; judge: jit:O1:moving:zeal=every:armed:unverified => I2: what is used
;; judge: jit:O1:moving:zeal=every:pages => I1: compiled code reads
(module
  (type $s (struct (field i32)))
  (tag $e)
  (func $g (drop (struct.new $s (i32.const 1))) (throw $e))
  (func (export "f") (result i32) (local $x (ref null $s))
    (local.set $x (struct.new $s (i32.const 7)))
    (block $h (try_table (catch_all $h) (call $g)))
    (struct.get $s 0 (local.get $x))))
