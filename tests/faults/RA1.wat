;; Planted fault RA1.
;; judge: jit:O2:moving:armed => I2: regalloc: operand
;; judge: jit:O2:moving:armed:unverified => divergence
;; judge: jit:O2:moving => divergence
(module
  (memory 1)
  (data (i32.const 0) "\2a")
  ;; What is live over the call of a runtime function on one of two ways is stored on that way only.
  (func (export "f") (result i32) (local $x i32) (local $y i32)
    (local.set $x (i32.mul (i32.load (i32.const 0)) (i32.const 77)))
    (local.set $y (i32.add (i32.load (i32.const 4)) (i32.const 1234567)))
    (if (i32.eqz (i32.load (i32.const 8))) (then (drop (memory.grow (i32.const 0)))))
    (i32.add (local.get $x) (i32.mul (local.get $y) (i32.const 3)))))
