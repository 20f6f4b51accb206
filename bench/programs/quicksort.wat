;; Quicksort of 32-bit words in memory: recursion, data-dependent branches, swaps.
;; Scale: thousands of words; answers a sum weighted by position, and 0 if the order is wrong.
(module
  (memory 1)
  (func $sort (param $low i32) (param $high i32)  ;; addresses of the first and the last word
    (local $i i32) (local $j i32) (local $pivot i32) (local $x i32) (local $y i32)
    (block $done
      (br_if $done (i32.ge_s (local.get $low) (local.get $high)))
      (local.set $pivot
        (i32.load
          (i32.and (i32.shr_u (i32.add (local.get $low) (local.get $high)) (i32.const 1)) (i32.const -4))))
      (local.set $i (local.get $low))
      (local.set $j (local.get $high))
      (loop $partition
        (loop $right
          (if (i32.lt_u (local.tee $x (i32.load (local.get $i))) (local.get $pivot))
            (then
              (local.set $i (i32.add (local.get $i) (i32.const 4)))
              (br $right))))
        (loop $left
          (if (i32.gt_u (local.tee $y (i32.load (local.get $j))) (local.get $pivot))
            (then
              (local.set $j (i32.sub (local.get $j) (i32.const 4)))
              (br $left))))
        (if (i32.le_s (local.get $i) (local.get $j))
          (then
            (i32.store (local.get $i) (local.get $y))
            (i32.store (local.get $j) (local.get $x))
            (local.set $i (i32.add (local.get $i) (i32.const 4)))
            (local.set $j (i32.sub (local.get $j) (i32.const 4)))))
        (br_if $partition (i32.le_s (local.get $i) (local.get $j))))
      (call $sort (local.get $low) (local.get $j))
      (call $sort (local.get $i) (local.get $high))))
  (func (export "run") (param $scale i32) (result i32)
    (local $n i32) (local $pages i32) (local $i i32) (local $seed i32) (local $sum i32) (local $last i32)
    (local.set $n (i32.mul (local.get $scale) (i32.const 4000)))  ;; bytes
    (local.set $pages (i32.shr_u (i32.add (local.get $n) (i32.const 65535)) (i32.const 16)))
    (if (i32.gt_u (local.get $pages) (memory.size))
      (then (drop (memory.grow (i32.sub (local.get $pages) (memory.size))))))
    (local.set $seed (i32.const 12345))
    (loop $fill
      (local.set $seed
        (i32.add (i32.mul (local.get $seed) (i32.const 1103515245)) (i32.const 12345)))
      (i32.store (local.get $i) (i32.shr_u (local.get $seed) (i32.const 8)))
      (br_if $fill (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 4))) (local.get $n))))
    (call $sort (i32.const 0) (i32.sub (local.get $n) (i32.const 4)))
    (local.set $i (i32.const 0))
    (loop $judge
      (if (i32.lt_u (i32.load (local.get $i)) (local.get $last)) (then (return (i32.const 0))))
      (local.set $last (i32.load (local.get $i)))
      (local.set $sum
        (i32.add (i32.rotl (local.get $sum) (i32.const 5)) (i32.xor (local.get $last) (local.get $i))))
      (br_if $judge (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 4))) (local.get $n))))
    (local.get $sum)))
