;; Planted fault NUR1: an object may end behind the memory for new objects, where survivors stand.
;; judge: jit:O2:gen:tiny => I1: the newest object ends at \w+, behind the memory for new ones
(module
  (type $pair (struct (field (mut i64)) (field (mut i64))))
  (global $kept (mut (ref null $pair)) (ref.null $pair))
  (global $garbage (mut (ref null $pair)) (ref.null $pair))
  (func (export "f") (result i32) (local $i i32) (local $bad i32)
    (loop $l
      (if (i32.eqz (i32.rem_u (local.get $i) (i32.const 100)))
        (then (global.set $kept (struct.new $pair (i64.const 5) (i64.const 6)))))
      (global.set $garbage (struct.new $pair (i64.const -1) (i64.const -1)))
      (if (i64.ne (struct.get $pair 0 (global.get $kept)) (i64.const 5))
        (then (local.set $bad (i32.add (local.get $bad) (i32.const 1)))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $l (i32.lt_u (local.get $i) (i32.const 5000))))
    (local.get $bad)))
