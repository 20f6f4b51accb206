;; Planted fault OPT1.
;; judge: jit:O2:moving:armed => I3:
(module
  (type $a (struct (field i32)))
  (type $b (struct (field i64)))
  (func (export "f") (result i32) (local $i i32) (local $x anyref) (local $n i32)
    (local.set $x (struct.new $a (i32.const 7)))
    (loop $l
      (if (ref.test (ref $a) (local.get $x))
        (then (local.set $n (i32.add (local.get $n) (struct.get $a 0 (ref.cast (ref $a) (local.get $x)))))))
      (local.set $x (struct.new $b (i64.const 8)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $l (i32.lt_u (local.get $i) (i32.const 3))))
    (local.get $n)))
