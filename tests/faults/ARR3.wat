;; Planted fault ARR3.
;; judge: jit:O1:moving => divergence
;; judge: jit:O2:moving:armed => divergence
(module
  (type $a (array (mut i8)))
  (data $d "\01\02\03")
  (func (export "f") (result i32)
    (data.drop $d)
    (array.len (array.new_data $a $d (i32.const 0) (i32.const 2)))))
