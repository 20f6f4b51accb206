;; Planted fault EXC3.
;; judge: jit:O0:moving => divergence
;; judge: jit:O1:moving:armed => divergence
(module
  (tag $e)
  (func $throws (throw $e))
  (func $inner (result i32)
    (block $h (try_table (catch $e $h) (call $throws)) (return (i32.const 0)))
    (i32.const 1))
  (func (export "f") (result i32)
    (block $h (return (try_table (result i32) (catch $e $h) (call $inner))))
    (i32.const 2)))
