;; Planted fault BL1.
;; judge: jit:O2:moving => divergence
;; judge: jit:O1:moving:armed => divergence
(module
  (memory 1)
  ;; The block before the loop does nothing but give its variables their first values.
  (func (export "f") (result i32) (local $i i32) (local $n i32)
    (if (i32.eqz (i32.load (i32.const 8))) (then (drop (memory.grow (i32.const 0)))))
    (local.set $i (i32.const 23456))
    (local.set $n (i32.const 1000))
    (loop $again
      (local.set $n (i32.add (local.get $n) (i32.and (local.get $i) (i32.const 1))))
      (br_if $again (local.tee $i (i32.shr_u (local.get $i) (i32.const 1)))))
    (local.get $n)))
