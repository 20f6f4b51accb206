;; Planted fault BAR4: what an object holds is younger than itself when it becomes old.
;; judge: jit:O2:gen:zeal=2:minor:verify-after => I9: old object .* holds young .* and is not remembered
;; judge: jit:O0:gen:zeal=2:minor:poison => .
(module
  (type $box (struct (field (mut (ref null $box))) (field (mut i32))))
  (global $holder (mut (ref null $box)) (ref.null $box))
  (global $garbage (mut (ref null $box)) (ref.null $box))
  (func (export "f") (result i32) (local $i i32) (local $k i32) (local $bad i32)
    (loop $l
      (global.set $holder (struct.new $box (ref.null $box) (i32.const 1)))
      ;; Survives once, and then gets what is new.
      (global.set $garbage (struct.new $box (ref.null $box) (i32.const -1)))
      (struct.set $box 0 (global.get $holder) (struct.new $box (ref.null $box) (local.get $i)))
      (local.set $k (i32.const 0))
      (loop $m
        (global.set $garbage (struct.new $box (ref.null $box) (i32.const -2)))
        (local.set $k (i32.add (local.get $k) (i32.const 1)))
        (br_if $m (i32.lt_u (local.get $k) (i32.const 5))))
      (if (i32.ne (struct.get $box 1 (struct.get $box 0 (global.get $holder))) (local.get $i))
        (then (local.set $bad (i32.add (local.get $bad) (i32.const 1)))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $l (i32.lt_u (local.get $i) (i32.const 300))))
    (local.get $bad)))
