;; Planted fault OPT3.
;; judge: jit:O2:moving:armed => I3:
(module
  (type $s (struct (field i32)))
  (global $g (mut (ref null $s)) (ref.null $s))
  (func (export "f") (result i32) (struct.get $s 0 (global.get $g))))
