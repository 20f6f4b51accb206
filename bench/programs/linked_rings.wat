;; Rings of doubly linked nodes: cyclic garbage, and many stores of references into objects that already exist.
;;
;; A window of rings lives in an array; each step makes a ring, splices it with an old one, walks it in both directions
;; and drops another.
;; Scale: hundreds of steps; answers a checksum over the walks.
(module
  (rec (type $node
    (struct (field $next (mut (ref null $node))) (field $prev (mut (ref null $node))) (field $value (mut i32)))))
  (type $window (array (mut (ref null $node))))
  ;; A node that is its own ring.
  (func $single (param $value i32) (result (ref $node))
    (local $n (ref $node))
    (local.set $n (struct.new $node (ref.null $node) (ref.null $node) (local.get $value)))
    (struct.set $node $next (local.get $n) (local.get $n))
    (struct.set $node $prev (local.get $n) (local.get $n))
    (local.get $n))
  ;; Exchanges what follows $a and $b: joins two rings, or parts one.
  (func $splice (param $a (ref $node)) (param $b (ref $node))
    (local $an (ref null $node)) (local $bn (ref null $node))
    (local.set $an (struct.get $node $next (local.get $a)))
    (local.set $bn (struct.get $node $next (local.get $b)))
    (struct.set $node $next (local.get $a) (local.get $bn))
    (struct.set $node $prev (local.get $bn) (local.get $a))
    (struct.set $node $next (local.get $b) (local.get $an))
    (struct.set $node $prev (local.get $an) (local.get $b)))
  (func $ring (param $n i32) (param $value i32) (result (ref $node))
    (local $head (ref $node))
    (local.set $head (call $single (local.get $value)))
    (loop $more
      (call $splice (local.get $head) (call $single (i32.add (local.get $value) (local.get $n))))
      (br_if $more (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $head))
  ;; Forwards once around, then backwards; both sums enter the result.
  (func $walk (param $head (ref $node)) (result i32)
    (local $at (ref null $node)) (local $sum i32)
    (local.set $at (local.get $head))
    (loop $forwards
      (local.set $sum (i32.add (i32.rotl (local.get $sum) (i32.const 1)) (struct.get $node $value (local.get $at))))
      (local.set $at (struct.get $node $next (local.get $at)))
      (br_if $forwards (i32.eqz (ref.eq (local.get $at) (local.get $head)))))
    (loop $backwards
      (local.set $sum (i32.xor (i32.rotl (local.get $sum) (i32.const 3)) (struct.get $node $value (local.get $at))))
      (local.set $at (struct.get $node $prev (local.get $at)))
      (br_if $backwards (i32.eqz (ref.eq (local.get $at) (local.get $head)))))
    (local.get $sum))
  (func (export "run") (param $scale i32) (result i32)
    (local $window (ref $window)) (local $i i32) (local $sum i32) (local $ring (ref null $node)) (local $old (ref null $node))
    (local.set $window (array.new_default $window (i32.const 256)))
    (local.set $i (i32.mul (local.get $scale) (i32.const 100)))
    (loop $steps
      (local.set $ring (call $ring (i32.const 16) (local.get $i)))
      (local.set $old (array.get $window (local.get $window) (i32.and (i32.mul (local.get $i) (i32.const 7)) (i32.const 255))))
      (if (i32.eqz (ref.is_null (local.get $old)))
        (then
          (call $splice (ref.as_non_null (local.get $ring)) (ref.as_non_null (local.get $old)))
          (local.set $sum (i32.add (local.get $sum) (call $walk (ref.as_non_null (local.get $ring)))))
          ;; Apart again, so that rings do not grow for ever.
          (call $splice (ref.as_non_null (local.get $ring)) (ref.as_non_null (local.get $old)))))
      (array.set $window (local.get $window) (i32.and (local.get $i) (i32.const 255)) (local.get $ring))
      (br_if $steps (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
    (local.get $sum)))
