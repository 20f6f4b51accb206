;; Planted fault TY6.
;; judge: jit:O1:moving => divergence
;; judge: jit:O2:moving:armed => .
(module
  (type $s (struct))
  (global $g (mut anyref) (ref.null any))
  (func (export "test") (result i32) (ref.test (ref null $s) (global.get $g)))
  (func (export "cast") (result (ref $s)) (ref.cast (ref $s) (global.get $g))))
