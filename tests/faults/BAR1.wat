;; Planted fault BAR1: an old object gets a reference to a young one.
;; judge: jit:O0:gen:tiny => .
;; judge: jit:O2:gen:tiny:verify-before => I9: old object .* holds young .* and is not remembered
;; judge: jit:O0:gen:zeal=every:minor:verify-before => I9: old object
;; judge: jit:O2:gen:zeal=alloc:armed => .
(module
  (type $box (struct (field (mut (ref null $box))) (field (mut i32))))
  (global $holder (mut (ref null $box)) (ref.null $box))
  (global $garbage (mut (ref null $box)) (ref.null $box))
  (func (export "f") (result i32) (local $i i32) (local $bad i32)
    (global.set $holder (struct.new $box (ref.null $box) (i32.const 1)))
    (loop $l
      (struct.set $box 0 (global.get $holder) (struct.new $box (ref.null $box) (local.get $i)))
      (global.set $garbage (struct.new $box (ref.null $box) (i32.const -1)))
      (global.set $garbage (struct.new $box (ref.null $box) (i32.const -2)))
      (if (i32.ne (struct.get $box 1 (struct.get $box 0 (global.get $holder))) (local.get $i))
        (then (local.set $bad (i32.add (local.get $bad) (i32.const 1)))))
      ;; While it holds nothing it is not remembered.
      (struct.set $box 0 (global.get $holder) (ref.null $box))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $l (i32.lt_u (local.get $i) (i32.const 3000))))
    (local.get $bad)))
