;; Planted fault TY1.
;; plan: instantiate 0 | instantiate 1 link 0
;; judge: jit:O1:moving => divergence
(module
  (type $s (struct))
  (global (export "g") (mut (ref null $s)) (ref.null $s)))
;; --- second module
(module
  (type $s (struct))
  (import "m" "g" (global $g (mut (ref $s))))
  (func (export "f") (result (ref $s)) (global.get $g)))
