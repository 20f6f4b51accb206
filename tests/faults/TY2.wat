;; Planted fault TY2.
;; The second module numbers the types of the first the other way round.
;; plan: instantiate 0 | instantiate 1 link 0 | call 1 f
;; judge: jit:O0:moving => divergence
;; judge: jit:O2:moving:armed => .
(module
  (type $a (struct (field i32)))
  (type $b (struct (field i64)))
  (func (export "make") (result anyref) (struct.new $a (i32.const 1))))
;; --- second module
(module
  (type $b (struct (field i64)))
  (type $a (struct (field i32)))
  (import "m" "make" (func $make (result anyref)))
  (func (export "f") (result i32) (ref.test (ref $a) (call $make))))
