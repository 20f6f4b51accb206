;; Planted fault HOST2.
;; judge: jit:O1:moving:zeal=every:armed => I1: stale reference
;; judge: jit:O1:moving:zeal=every => I1: stale reference
(module
  (type $s (struct (field i32)))
  (import "parallax" "echo" (func $echo (param anyref anyref) (result anyref anyref)))
  (func (export "f") (result i32)
    (call $echo (struct.new $s (i32.const 7)) (struct.new $s (i32.const 8)))
    (drop)
    (struct.get $s 0 (ref.cast (ref $s)))))
