;; Planted fault OPT7.
;; judge: jit:O2:moving => divergence
;; judge: jit:O2:moving:armed => divergence
(module
  (type $s (struct (field i32)))
  (func (export "f") (result i32) (ref.eq (struct.new_default $s) (struct.new_default $s))))
