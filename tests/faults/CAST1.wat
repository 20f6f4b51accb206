;; Planted fault CAST1.
;; judge: jit:O2:moving => I3
;; judge: ir:O2 => I3
(module
  (type $a (sub (struct (field i32))))
  (type $b (sub $a (struct (field i32) (field i32))))
  (global $g (ref null eq) (struct.new $a (i32.const 1)))
  (func (export "f") (result i32)
    (local $x (ref null eq))
    (local.set $x (global.get $g))
    (i32.add (struct.get $a 0 (ref.cast (ref $a) (local.get $x)))
             (struct.get $b 1 (ref.cast (ref $b) (local.get $x))))))
