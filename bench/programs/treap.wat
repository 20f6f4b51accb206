;; A persistent treap: insertion copies the path from the root, old versions share the rest and stay usable.
;; Scale: hundreds of insertions; answers keys found in the newest version and in an old one.
(module
  (rec (type $node (struct
    (field $key i32) (field $priority i32) (field $left (ref null $node)) (field $right (ref null $node)))))
  (type $versions (array (mut (ref null $node))))
  (func $priority (param $key i32) (result i32)
    (i32.xor
      (i32.mul (local.get $key) (i32.const 0x85ebca6b))
      (i32.shr_u (i32.mul (local.get $key) (i32.const 0xc2b2ae35)) (i32.const 13))))
  (func $insert (param $t (ref null $node)) (param $key i32) (result (ref $node))
    (local $here (ref $node)) (local $sub (ref $node))
    (block $leaf
      (local.set $here (br_on_null $leaf (local.get $t)))
      (if (i32.eq (local.get $key) (struct.get $node $key (local.get $here))) (then (return (local.get $here))))
      (if (i32.lt_u (local.get $key) (struct.get $node $key (local.get $here)))
        (then
          (local.set $sub (call $insert (struct.get $node $left (local.get $here)) (local.get $key)))
          ;; Rotation to the right where the new subtree outranks us.
          (if (i32.gt_u (struct.get $node $priority (local.get $sub)) (struct.get $node $priority (local.get $here)))
            (then
              (return
                (struct.new $node
                  (struct.get $node $key (local.get $sub)) (struct.get $node $priority (local.get $sub))
                  (struct.get $node $left (local.get $sub))
                  (struct.new $node
                    (struct.get $node $key (local.get $here)) (struct.get $node $priority (local.get $here))
                    (struct.get $node $right (local.get $sub)) (struct.get $node $right (local.get $here)))))))
          (return
            (struct.new $node
              (struct.get $node $key (local.get $here)) (struct.get $node $priority (local.get $here))
              (local.get $sub) (struct.get $node $right (local.get $here))))))
      (local.set $sub (call $insert (struct.get $node $right (local.get $here)) (local.get $key)))
      (if (i32.gt_u (struct.get $node $priority (local.get $sub)) (struct.get $node $priority (local.get $here)))
        (then
          (return
            (struct.new $node
              (struct.get $node $key (local.get $sub)) (struct.get $node $priority (local.get $sub))
              (struct.new $node
                (struct.get $node $key (local.get $here)) (struct.get $node $priority (local.get $here))
                (struct.get $node $left (local.get $here)) (struct.get $node $left (local.get $sub)))
              (struct.get $node $right (local.get $sub))))))
      (return
        (struct.new $node
          (struct.get $node $key (local.get $here)) (struct.get $node $priority (local.get $here))
          (struct.get $node $left (local.get $here)) (local.get $sub))))
    (struct.new $node (local.get $key) (call $priority (local.get $key)) (ref.null $node) (ref.null $node)))
  (func $contains (param $t (ref null $node)) (param $key i32) (result i32)
    (block $no
      (loop $down
        (br_if $no (ref.is_null (local.get $t)))
        (if (i32.eq (struct.get $node $key (local.get $t)) (local.get $key)) (then (return (i32.const 1))))
        (local.set $t
          (if (result (ref null $node)) (i32.lt_u (local.get $key) (struct.get $node $key (local.get $t)))
            (then (struct.get $node $left (local.get $t)))
            (else (struct.get $node $right (local.get $t)))))
        (br $down)))
    (i32.const 0))
  (func (export "run") (param $scale i32) (result i32)
    (local $versions (ref $versions)) (local $t (ref null $node)) (local $i i32) (local $key i32) (local $sum i32)
    (local.set $versions (array.new_default $versions (i32.const 16)))
    (local.set $i (i32.mul (local.get $scale) (i32.const 100)))
    (loop $insertions
      (local.set $key (i32.shr_u (i32.mul (local.get $i) (i32.const 0x9e3779b1)) (i32.const 22)))
      (local.set $t (call $insert (local.get $t) (local.get $key)))
      ;; The version of some insertions ago, before its place is taken.
      (local.set $sum
        (i32.add (i32.mul (local.get $sum) (i32.const 3))
          (i32.add
            (call $contains (local.get $t) (i32.xor (local.get $key) (i32.const 1)))
            (call $contains
              (array.get $versions (local.get $versions) (i32.and (local.get $i) (i32.const 15))) (local.get $key)))))
      (array.set $versions (local.get $versions) (i32.and (local.get $i) (i32.const 15)) (local.get $t))
      (br_if $insertions (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
    (local.get $sum)))
