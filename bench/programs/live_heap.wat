;; A heap that lives on: chains behind a large array, changed in places that look random, with garbage beside them.
;; What a collector cannot leave alone costs here: old objects get young ones, in the array and in the chains.
;; Scale: thousands of chains; answers a sum over all that is left.
(module
  (rec (type $link (struct (field $key i32) (field $weight i64) (field $next (mut (ref null $link))))))
  (type $chains (array (mut (ref null $link))))
  (global $seed (mut i32) (i32.const 1))
  (func $random (param $below i32) (result i32)
    (global.set $seed (i32.add (i32.mul (global.get $seed) (i32.const 1664525)) (i32.const 1013904223)))
    (i32.wrap_i64
      (i64.shr_u
        (i64.mul (i64.extend_i32_u (global.get $seed)) (i64.extend_i32_u (local.get $below)))
        (i64.const 32))))
  (func $chain (param $key i32) (param $length i32) (result (ref null $link))
    (local $head (ref null $link))
    (loop $more
      (local.set $head
        (struct.new $link (i32.add (local.get $key) (local.get $length)) (i64.const 3) (local.get $head)))
      (br_if $more (local.tee $length (i32.sub (local.get $length) (i32.const 1)))))
    (local.get $head))
  (func $sum (param $link (ref null $link)) (result i32)
    (local $sum i32)
    (block $end
      (loop $more
        (br_if $end (ref.is_null (local.get $link)))
        (local.set $sum
          (i32.add (i32.mul (local.get $sum) (i32.wrap_i64 (struct.get $link $weight (local.get $link))))
            (struct.get $link $key (local.get $link))))
        (local.set $link (struct.get $link $next (local.get $link)))
        (br $more)))
    (local.get $sum))
  (func (export "run") (param $scale i32) (result i32)
    (local $chains (ref $chains)) (local $count i32) (local $i i32) (local $at i32) (local $sum i32)
    (local $head (ref null $link))
    (global.set $seed (i32.const 1))
    (local.set $count (i32.shl (local.get $scale) (i32.const 10)))
    (local.set $chains (array.new_default $chains (local.get $count)))
    (local.set $i (local.get $count))
    (loop $build
      (local.set $i (i32.sub (local.get $i) (i32.const 1)))
      (array.set $chains (local.get $chains) (local.get $i)
        (call $chain (local.get $i) (i32.add (i32.const 2) (i32.and (local.get $i) (i32.const 3)))))
      (br_if $build (local.get $i)))
    (local.set $i (local.get $count))
    (loop $change
      (local.set $at (call $random (local.get $count)))
      ;; One chain anew.
      (array.set $chains (local.get $chains) (local.get $at) (call $chain (local.get $i) (i32.const 3)))
      ;; One gets another tail.
      (local.set $head (array.get $chains (local.get $chains) (call $random (local.get $count))))
      (struct.set $link $next (local.get $head) (call $chain (local.get $at) (i32.const 2)))
      ;; And one that nobody keeps.
      (local.set $sum (i32.add (local.get $sum) (call $sum (call $chain (local.get $i) (i32.const 4)))))
      (br_if $change (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
    (loop $all
      (local.set $sum
        (i32.add (i32.rotl (local.get $sum) (i32.const 1))
          (call $sum (array.get $chains (local.get $chains) (local.get $i)))))
      (br_if $all (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $count))))
    (local.get $sum)))
