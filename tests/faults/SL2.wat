;; Planted fault SL2.
;; A root is released, its slot is taken again, and the old id is used.
;; plan: instantiate 0 | call 0 make keep | release 0 | call 0 make keep | probe-root 0
;; judge: jit:O1:moving:armed => misuse
;; judge: jit:O1:moving => misuse
(module
  (type $s (struct (field i32)))
  (func (export "make") (result (ref $s)) (struct.new $s (i32.const 7))))
