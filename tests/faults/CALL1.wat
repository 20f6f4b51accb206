;; Planted fault CALL1.
;; The innermost of 201 nested functions calls nothing, so that nobody else would notice that it is one too many.
;; judge: jit:O1:moving => divergence
;; judge: jit:O1:moving:armed => divergence
(module
  (func $leaf (result i32) (i32.const 1))
  (func $down (param i32) (result i32)
    (if (result i32) (local.get 0)
      (then (call $down (i32.sub (local.get 0) (i32.const 1))))
      (else (call $leaf))))
  (func (export "f") (result i32) (call $down (i32.const 198))))
