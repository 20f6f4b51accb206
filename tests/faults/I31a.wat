;; Planted fault I31a.
;; judge: jit:O1:moving:zeal=every:armed => I[12]: 
;; judge: jit:O1:moving:zeal=every:poison => .
(module
  (type $s (struct (field i32)))
  (table $t 4 anyref)
  (func (export "fill") (local $i i32)
    (loop $l
      (table.set $t (local.get $i) (struct.new $s (local.get $i)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $l (i32.lt_u (local.get $i) (i32.const 4)))))
  (func (export "collect") (drop (struct.new $s (i32.const 9))) (drop (struct.new $s (i32.const 9)))
  )
  (func (export "get") (result i32) (struct.get $s 0 (ref.cast (ref $s) (table.get $t (i32.const 1))))))
