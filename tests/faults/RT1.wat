;; Planted fault RT1.
;; judge: jit:O1:moving:armed => I2: .* is not visited by the collector
;; judge: jit:O1:moving:zeal=every:poison => .
(module
  (type $s (struct (field i32)))
  (global $g (mut (ref null $s)) (ref.null $s))
  (table $t 4 anyref)
  (func (export "set") (global.set $g (struct.new $s (i32.const 7)))
    (table.set $t (i32.const 1) (struct.new $s (i32.const 8))))
  (func (export "touch") (drop (struct.new $s (i32.const 1))))
  (func (export "get") (result i32) (struct.get $s 0 (global.get $g))))
