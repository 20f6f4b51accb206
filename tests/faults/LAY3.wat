;; Planted fault LAY3.
;; judge: jit:O1:moving => I1: the cell at 0x1000 cannot be parsed
;; judge: jit:O1:moving:armed => I1: the cell at
(module
  (type $a (array (mut i32)))
  (func (export "f") (result i32) (array.len (array.new_default $a (i32.const 0x40000000)))))
