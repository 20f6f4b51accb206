;; Planted fault EXC2.
;; The host calls an export that runs out of fuel; the program must not go on.
;; judge: jit:O1:moving => divergence
;; judge: jit:O1:moving:armed => divergence
(module
  (import "fuzzing-support" "call-export" (func $call (param i32 i32)))
  (global $after (mut i32) (i32.const 0))
  (func (export "spin") (loop $l (br $l)))
  (func (export "f") (result i32) (call $call (i32.const 0) (i32.const 0)) (i32.const 1)))
