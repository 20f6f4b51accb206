;; Planted fault ALLOC1.
;; judge: jit:O1:moving:zeal=every:armed => .
;; judge: jit:O1:nonmoving:zeal=every:armed => .
(module
  (type $s (struct (field (mut (ref null any))) (field (mut i64))))
  (func (export "f") (result i32) (local $i i32) (local $bad i32)
    (loop $l
      (if (i32.eqz (ref.is_null (struct.get $s 0 (struct.new_default $s))))
        (then (local.set $bad (i32.add (local.get $bad) (i32.const 1)))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $l (i32.lt_u (local.get $i) (i32.const 3000))))
    (local.get $bad)))
