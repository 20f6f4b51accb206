;; Planted fault NAN1: the machine's NaN has its sign set, the canonical one has not.
;; judge: jit:O2:moving:armed => I3:
;; judge: jit:O1 => memory
(module
  (memory (export "m") 1)
  (global $zero (mut f64) (f64.const 0))
  (func (export "f") (f64.store (i32.const 8) (f64.div (global.get $zero) (global.get $zero)))))
