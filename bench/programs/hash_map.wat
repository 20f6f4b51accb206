;; A hash map from integers to counters: chained buckets in an array that grows, entries as structs.
;; Scale: thousands of operations; answers a checksum of what is found.
(module
  (rec (type $entry
    (struct (field $key i32) (field $value (mut i32)) (field $next (mut (ref null $entry))))))
  (type $buckets (array (mut (ref null $entry))))
  (type $map (struct (field $buckets (mut (ref $buckets))) (field $count (mut i32))))
  (func $slot (param $buckets (ref $buckets)) (param $key i32) (result i32)
    (i32.and
      (i32.shr_u (i32.mul (local.get $key) (i32.const 0x9e3779b1)) (i32.const 7))
      (i32.sub (array.len (local.get $buckets)) (i32.const 1))))
  (func $find (param $map (ref $map)) (param $key i32) (result (ref null $entry))
    (local $e (ref null $entry)) (local $buckets (ref $buckets))
    (local.set $buckets (struct.get $map $buckets (local.get $map)))
    (local.set $e
      (array.get $buckets (local.get $buckets) (call $slot (local.get $buckets) (local.get $key))))
    (block $done
      (loop $chain
        (br_if $done (ref.is_null (local.get $e)))
        (br_if $done (i32.eq (struct.get $entry $key (local.get $e)) (local.get $key)))
        (local.set $e (struct.get $entry $next (local.get $e)))
        (br $chain)))
    (local.get $e))
  ;; Twice as many buckets; the entries stay, their chains are made anew.
  (func $grow (param $map (ref $map))
    (local $old (ref $buckets)) (local $new (ref $buckets)) (local $i i32)
    (local $e (ref null $entry)) (local $next (ref null $entry)) (local $slot i32)
    (local.set $old (struct.get $map $buckets (local.get $map)))
    (local.set $new (array.new_default $buckets (i32.shl (array.len (local.get $old)) (i32.const 1))))
    (loop $each
      (local.set $e (array.get $buckets (local.get $old) (local.get $i)))
      (block $done
        (loop $chain
          (br_if $done (ref.is_null (local.get $e)))
          (local.set $next (struct.get $entry $next (local.get $e)))
          (local.set $slot (call $slot (local.get $new) (struct.get $entry $key (local.get $e))))
          (struct.set $entry $next (local.get $e) (array.get $buckets (local.get $new) (local.get $slot)))
          (array.set $buckets (local.get $new) (local.get $slot) (local.get $e))
          (local.set $e (local.get $next))
          (br $chain)))
      (br_if $each
        (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (array.len (local.get $old)))))
    (struct.set $map $buckets (local.get $map) (local.get $new)))
  ;; Adds $n to the counter of a key, which may be new.
  (func $add (param $map (ref $map)) (param $key i32) (param $n i32)
    (local $e (ref null $entry)) (local $buckets (ref $buckets)) (local $slot i32)
    (local.set $e (call $find (local.get $map) (local.get $key)))
    (if (i32.eqz (ref.is_null (local.get $e)))
      (then
        (struct.set $entry $value (local.get $e)
          (i32.add (struct.get $entry $value (local.get $e)) (local.get $n)))
        (return)))
    (struct.set $map $count (local.get $map) (i32.add (struct.get $map $count (local.get $map)) (i32.const 1)))
    (if (i32.gt_u (struct.get $map $count (local.get $map)) (array.len (struct.get $map $buckets (local.get $map))))
      (then (call $grow (local.get $map))))
    (local.set $buckets (struct.get $map $buckets (local.get $map)))
    (local.set $slot (call $slot (local.get $buckets) (local.get $key)))
    (array.set $buckets (local.get $buckets) (local.get $slot)
      (struct.new $entry (local.get $key) (local.get $n) (array.get $buckets (local.get $buckets) (local.get $slot)))))
  (func (export "run") (param $scale i32) (result i32)
    (local $map (ref $map)) (local $i i32) (local $x i32) (local $sum i32) (local $e (ref null $entry))
    (local.set $map (struct.new $map (array.new_default $buckets (i32.const 8)) (i32.const 0)))
    (local.set $i (i32.mul (local.get $scale) (i32.const 1000)))
    (local.set $x (i32.const 99))
    (loop $operations
      (local.set $x (i32.add (i32.mul (local.get $x) (i32.const 1664525)) (i32.const 1013904223)))
      (call $add (local.get $map) (i32.shr_u (local.get $x) (i32.const 18)) (local.get $i))
      ;; Another key that is there or not.
      (local.set $e (call $find (local.get $map) (i32.shr_u (local.get $x) (i32.const 17))))
      (if (i32.eqz (ref.is_null (local.get $e)))
        (then
          (local.set $sum
            (i32.add (i32.rotl (local.get $sum) (i32.const 1)) (struct.get $entry $value (local.get $e))))))
      (br_if $operations (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
    (i32.xor (local.get $sum) (struct.get $map $count (local.get $map)))))
