;; Binary trees: allocation of short-lived trees beside one that lives on; the classic test of a collector.
;; Scale: depth of the largest tree; answers the nodes counted.
(module
  (rec (type $tree (struct (field $left (ref null $tree)) (field $right (ref null $tree)))))
  (func $make (param $depth i32) (result (ref $tree))
    (if (result (ref $tree)) (i32.eqz (local.get $depth))
      (then (struct.new_default $tree))
      (else
        (struct.new $tree
          (call $make (i32.sub (local.get $depth) (i32.const 1)))
          (call $make (i32.sub (local.get $depth) (i32.const 1)))))))
  (func $count (param $tree (ref $tree)) (result i32)
    (local $left (ref null $tree))
    (local.set $left (struct.get $tree $left (local.get $tree)))
    (if (result i32) (ref.is_null (local.get $left))
      (then (i32.const 1))
      (else
        (i32.add
          (i32.const 1)
          (i32.add
            (call $count (ref.as_non_null (local.get $left)))
            (call $count (ref.as_non_null (struct.get $tree $right (local.get $tree)))))))))
  (func (export "run") (param $scale i32) (result i32)
    (local $long (ref null $tree)) (local $depth i32) (local $i i32) (local $sum i32)
    (local.set $sum (call $count (call $make (i32.add (local.get $scale) (i32.const 1)))))
    (local.set $long (call $make (local.get $scale)))
    (local.set $depth (i32.const 4))
    (block $done
      (loop $depths
        (br_if $done (i32.gt_u (local.get $depth) (local.get $scale)))
        ;; The deeper the trees, the fewer of them.
        (local.set $i (i32.shl (i32.const 1) (i32.add (i32.sub (local.get $scale) (local.get $depth)) (i32.const 4))))
        (loop $trees
          (local.set $sum (i32.add (local.get $sum) (call $count (call $make (local.get $depth)))))
          (br_if $trees (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
        (local.set $depth (i32.add (local.get $depth) (i32.const 4)))
        (br $depths)))
    (i32.add (local.get $sum) (call $count (ref.as_non_null (local.get $long))))))
