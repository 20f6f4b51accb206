;; Planted fault TY3.
;; types: 65600
;; judge: jit:O1:moving => I1: the cell at
;; judge: jit:O1:moving:armed => I1: the cell at
(module
  (type $s (struct (field i32)))
  (func (export "f") (result i32) (ref.test (ref $s) (struct.new $s (i32.const 7)))))
