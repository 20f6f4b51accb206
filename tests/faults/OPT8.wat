;; Planted fault OPT8.
;; judge: jit:O2:moving:armed => I3:
(module
  (type $s (struct (field i32)))
  (global $g (mut i32) (i32.const 0))
  (func (export "f") (result i32)
    (struct.get $s 0
      (if (result (ref null $s)) (global.get $g)
        (then (struct.new $s (i32.const 7)))
        (else (ref.null $s))))))
