;; Instantiation: constant expressions allocate, and a collection may come between any two of their operands; globals,
;; tables and passive segments that exist already are roots while later ones are evaluated.
;;
;; fault: RT1 on jit:O1:moving:zeal=every:armed
;; fault: RT1 on jit:O1:moving:zeal=every:pages
;; fault: RT1 on jit:O1:nonmoving:zeal=every:armed
(module
  (type $s (struct (field i32)))
  (type $p (struct (field (ref $s)) (field anyref) (field (ref $s))))
  (type $a (array (ref null $s)))
  (global $g (ref $p) (struct.new $p
    (struct.new $s (i32.const 1))
    (array.new $a (struct.new $s (i32.const 2)) (i32.const 3))
    (struct.new $s (i32.const 4))))
  (global $h (ref $a) (array.new_fixed $a 3
    (struct.new $s (i32.const 5)) (ref.null $s) (struct.new $s (i32.const 6))))
  (table $t 2 (ref null $s) (struct.new $s (i32.const 7)))
  (elem $e (ref null $s) (struct.new $s (i32.const 8)) (ref.null $s) (struct.new $s (i32.const 9)))
  (func $at (param $x (ref null $s)) (result i32)
    (drop (struct.new $s (i32.const -1)))
    (struct.get $s 0 (local.get $x)))
  (func (export "sum") (result i32) (local $x (ref null $a))
    (local.set $x (ref.cast (ref $a) (struct.get $p 1 (global.get $g))))
    (call $at (struct.get $p 0 (global.get $g)))
    (i32.add (call $at (array.get $a (local.get $x) (i32.const 2))))
    (i32.add (call $at (struct.get $p 2 (global.get $g))))
    (i32.add (call $at (array.get $a (global.get $h) (i32.const 0))))
    (i32.add (call $at (array.get $a (global.get $h) (i32.const 2))))
    (i32.add (call $at (table.get $t (i32.const 1)))))
  (func (export "segment") (result i32) (local $x (ref $a))
    (local.set $x (array.new_elem $a $e (i32.const 0) (i32.const 3)))
    (i32.add (call $at (array.get $a (local.get $x) (i32.const 0)))
             (call $at (array.get $a (local.get $x) (i32.const 2)))))
)
(assert_return (invoke "sum") (i32.const 25))
(assert_return (invoke "segment") (i32.const 17))
