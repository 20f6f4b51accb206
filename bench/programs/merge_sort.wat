;; Merge sort of an array of objects, with array.copy, array.fill and a scratch array; keys are read through references.
;; Scale: hundreds of objects; answers a weighted sum, and 0 if the order is wrong.
(module
  (type $item (struct (field $key i32) (field $order i32)))
  (type $items (array (mut (ref null $item))))
  (func $key (param $items (ref $items)) (param $i i32) (result i32)
    (struct.get $item $key (array.get $items (local.get $items) (local.get $i))))
  ;; Sorts [low, high) with the help of scratch.
  (func $sort (param $a (ref $items)) (param $scratch (ref $items)) (param $low i32) (param $high i32)
    (local $middle i32) (local $i i32) (local $j i32) (local $to i32)
    (if (i32.lt_u (i32.sub (local.get $high) (local.get $low)) (i32.const 2)) (then (return)))
    (local.set $middle (i32.shr_u (i32.add (local.get $low) (local.get $high)) (i32.const 1)))
    (call $sort (local.get $a) (local.get $scratch) (local.get $low) (local.get $middle))
    (call $sort (local.get $a) (local.get $scratch) (local.get $middle) (local.get $high))
    ;; In order already: nothing to merge.
    (if (i32.le_u (call $key (local.get $a) (i32.sub (local.get $middle) (i32.const 1)))
                  (call $key (local.get $a) (local.get $middle)))
      (then (return)))
    (local.set $i (local.get $low))
    (local.set $j (local.get $middle))
    (local.set $to (local.get $low))
    (block $one_is_empty
      (loop $merge
        (br_if $one_is_empty (i32.ge_u (local.get $i) (local.get $middle)))
        (br_if $one_is_empty (i32.ge_u (local.get $j) (local.get $high)))
        (if (i32.le_u (call $key (local.get $a) (local.get $i)) (call $key (local.get $a) (local.get $j)))
          (then
            (array.set $items (local.get $scratch) (local.get $to) (array.get $items (local.get $a) (local.get $i)))
            (local.set $i (i32.add (local.get $i) (i32.const 1))))
          (else
            (array.set $items (local.get $scratch) (local.get $to) (array.get $items (local.get $a) (local.get $j)))
            (local.set $j (i32.add (local.get $j) (i32.const 1)))))
        (local.set $to (i32.add (local.get $to) (i32.const 1)))
        (br $merge)))
    ;; What is left of the first half goes to the end; the second half's rest stands there already.
    (array.copy $items $items (local.get $a) (local.get $to)
      (local.get $a) (local.get $i) (i32.sub (local.get $middle) (local.get $i)))
    (array.copy $items $items (local.get $a) (local.get $low)
      (local.get $scratch) (local.get $low) (i32.sub (local.get $to) (local.get $low))))
  (func (export "run") (param $scale i32) (result i32)
    (local $n i32) (local $i i32) (local $a (ref $items)) (local $scratch (ref $items))
    (local $seed i32) (local $sum i32) (local $last i32) (local $at (ref null $item))
    (local.set $n (i32.mul (local.get $scale) (i32.const 100)))
    (local.set $a (array.new_default $items (local.get $n)))
    (local.set $scratch (array.new_default $items (local.get $n)))
    (local.set $seed (i32.const 4711))
    (loop $make
      (local.set $seed (i32.add (i32.mul (local.get $seed) (i32.const 1103515245)) (i32.const 12345)))
      (array.set $items (local.get $a) (local.get $i)
        (struct.new $item (i32.shr_u (local.get $seed) (i32.const 12)) (local.get $i)))
      (br_if $make (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
    (call $sort (local.get $a) (local.get $scratch) (i32.const 0) (local.get $n))
    (array.fill $items (local.get $scratch) (i32.const 0) (ref.null $item) (local.get $n))
    (local.set $i (i32.const 0))
    (loop $judge
      (local.set $at (array.get $items (local.get $a) (local.get $i)))
      (if (i32.lt_u (struct.get $item $key (local.get $at)) (local.get $last)) (then (return (i32.const 0))))
      (local.set $last (struct.get $item $key (local.get $at)))
      (local.set $sum
        (i32.add (i32.rotl (local.get $sum) (i32.const 5))
          (i32.add (local.get $last) (struct.get $item $order (local.get $at)))))
      (br_if $judge (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
    (local.get $sum)))
