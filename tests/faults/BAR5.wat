;; Planted fault BAR5: a new large array is initialised with a young object.
;; judge: jit:O2:gen:tiny => .
;; judge: jit:O1:gen:tiny:verify-before => I9: old object .* and is not remembered
(module
  (type $box (struct (field (mut i32))))
  (type $boxes (array (mut (ref null $box))))
  (global $large (mut (ref null $boxes)) (ref.null $boxes))
  (global $garbage (mut (ref null $box)) (ref.null $box))
  (func (export "f") (result i32) (local $i i32) (local $k i32) (local $bad i32)
    (loop $l
      (global.set $large (array.new $boxes (struct.new $box (local.get $i)) (i32.const 2000)))
      (local.set $k (i32.const 0))
      (loop $m
        (global.set $garbage (struct.new $box (i32.const -1)))
        (local.set $k (i32.add (local.get $k) (i32.const 1)))
        (br_if $m (i32.lt_u (local.get $k) (i32.const 600))))
      (if (i32.ne (struct.get $box 0 (array.get $boxes (global.get $large) (i32.const 1999))) (local.get $i))
        (then (local.set $bad (i32.add (local.get $bad) (i32.const 1)))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $l (i32.lt_u (local.get $i) (i32.const 50))))
    (local.get $bad)))
