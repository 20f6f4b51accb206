;; Planted fault BAS2.
;; judge: jit:O0:moving => divergence
(module
  (func (export "f") (param i32) (result i32)
    (block $out (result i32)
      (drop (br_if $out (i32.const 7) (local.get 0)))
      (i32.const 9))))
