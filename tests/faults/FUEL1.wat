;; Planted fault FUEL1.
;; Most of the fuel is used by what the host calls back.
;; judge: jit:O1:moving => divergence
;; judge: jit:O2:moving:armed => divergence
(module
  (import "fuzzing-support" "call-export" (func $call (param i32 i32)))
  (func (export "turns") (local i32)
    (local.set 0 (i32.const 100))
    (loop $l (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
  (func (export "f") (result i32) (local i32)
    (local.set 0 (i32.const 300))
    (loop $l
      (call $call (i32.const 0) (i32.const 0))
      (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (i32.const 1)))
