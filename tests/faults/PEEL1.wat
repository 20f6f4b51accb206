;; Planted fault PEEL1.
;; judge: jit:O2:moving => divergence
;; judge: jit:O2:moving:armed => divergence
(module
  (type $a (array (mut i32)))
  (global $array (mut (ref null $a)) (array.new_default $a (i32.const 3)))
  (global $sum (mut i32) (i32.const 0))
  (func (export "f") (local $a (ref null $a))
    (local.set $a (global.get $array))
    (loop $forever
      (global.set $sum (i32.add (global.get $sum) (array.len (local.get $a))))
      (br $forever)))
  (func (export "g") (result i32) (global.get $sum)))
