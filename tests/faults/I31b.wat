;; Planted fault I31b.
;; judge: jit:O1:moving => .
;; judge: jit:O1:moving:armed => .
(module
  (import "parallax" "echo" (func $echo (param anyref i32) (result i32 anyref)))
  (func (export "f") (result i32)
    (call $echo (ref.i31 (i32.const 7)) (i32.const 1))
    (i31.get_u (ref.cast (ref i31)))
    (i32.add)))
