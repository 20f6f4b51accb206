;; Planted fault OPT6.
;; judge: jit:O1:moving => divergence
;; judge: jit:O2:moving:armed => divergence
(module
  (global $g i31ref (ref.null i31))
  (table $t 1 anyref)
  (func (export "f") (drop (table.get $t (i32.const 5)))))
