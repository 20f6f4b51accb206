;; Planted fault OWN1.
;; plan: instantiate 0 | call 0 make keep | call 0 make keep | release 0 | collect | release 1
;; judge: jit:O1:moving => I1: stale id
;; judge: jit:O1:moving:armed => I1: stale id
(module
  (type $s (struct (field i32)))
  (global $g (mut (ref null $s)) (ref.null $s))
  (func (export "make") (result (ref null $s))
    (if (ref.is_null (global.get $g)) (then (global.set $g (struct.new $s (i32.const 7)))))
    (global.get $g)))
