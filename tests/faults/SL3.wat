;; Planted fault SL3.
;; The third instance takes the slots of the first in reverse order, next to those of the second.
;; plan: instantiate 0 | call 0 a | call 0 b | instantiate 0 | call 1 a | call 1 b | drop 0 | instantiate 0 | call 2 a | call 2 b | drop 2 | call 1 a
;; judge: jit:O1:moving:armed => I1: stale id
;; judge: jit:O1:moving => I1: stale id
(module
  (func (export "a") (result i32) (i32.const 1))
  (func (export "b") (result i32) (i32.const 2)))
