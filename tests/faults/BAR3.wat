;; Planted fault BAR3: an old array gets references to young objects by array.fill and array.copy.
;; judge: jit:O0:gen:tiny => .
;; judge: jit:O2:gen:tiny:verify-before => I9: old object .* holds young .* and is not remembered
;; judge: jit:O0:gen:zeal=every:minor:verify-before => I9: old object
(module
  (type $box (struct (field (mut i32)) (field i64)))  ;; of a size that the heap is no multiple of
  (type $boxes (array (mut (ref null $box))))
  (global $old (mut (ref null $boxes)) (ref.null $boxes))
  (global $garbage (mut (ref null $box)) (ref.null $box))
  (func (export "f") (result i32) (local $i i32) (local $bad i32)
    (global.set $old (array.new_default $boxes (i32.const 8)))
    (loop $l
      (array.fill $boxes (global.get $old) (i32.const 0) (struct.new $box (local.get $i) (i64.const 0)) (i32.const 2))
      (array.copy $boxes $boxes (global.get $old) (i32.const 4)
        (array.new $boxes (struct.new $box (local.get $i) (i64.const 0)) (i32.const 2)) (i32.const 0) (i32.const 2))
      (global.set $garbage (struct.new $box (i32.const -1) (i64.const 0)))
      (if (i32.ne (i32.add (struct.get $box 0 (array.get $boxes (global.get $old) (i32.const 1)))
                           (struct.get $box 0 (array.get $boxes (global.get $old) (i32.const 5))))
                  (i32.shl (local.get $i) (i32.const 1)))
        (then (local.set $bad (i32.add (local.get $bad) (i32.const 1)))))
      ;; While it holds nothing it is not remembered.
      (array.fill $boxes (global.get $old) (i32.const 0) (ref.null $box) (i32.const 8))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $l (i32.lt_u (local.get $i) (i32.const 3000))))
    (local.get $bad)))
