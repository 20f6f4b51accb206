;; Planted fault NAN1: the machine's NaN has its sign set, the canonical one has not.
;; judge: jit:O2:moving:armed => I3:
;; judge: jit:O1 => memory
(module
  (memory (export "m") 1)
  (func $div (param f64 f64) (f64.store (i32.const 8) (f64.div (local.get 0) (local.get 1))))
  (func (export "f") (call $div (f64.const 0) (f64.const 0))))
