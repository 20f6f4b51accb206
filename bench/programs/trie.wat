;; A trie over words in i8 arrays: nodes with sixteen children, made on demand.
;;
;; Words come from a generator; half of them are inserted and all of them looked up, longest known prefix first.
;; Scale: hundreds of words; answers the lengths and counts found.
(module
  (rec
    (type $children (array (mut (ref null $node))))
    (type $node (struct (field $children (mut (ref null $children))) (field $count (mut i32)))))
  (type $word (array (mut i8)))
  (func $make_word (param $seed i32) (result (ref $word))
    (local $w (ref $word)) (local $i i32)
    (local.set $w (array.new_default $word (i32.add (i32.and (local.get $seed) (i32.const 7)) (i32.const 3))))
    (loop $each
      (local.set $seed (i32.add (i32.mul (local.get $seed) (i32.const 1103515245)) (i32.const 12345)))
      ;; Early letters from few, later ones from many, so that prefixes are shared.
      (array.set $word (local.get $w) (local.get $i)
        (i32.and (i32.shr_u (local.get $seed) (i32.const 16))
                 (i32.or (i32.shl (local.get $i) (i32.const 1)) (i32.const 1))))
      (br_if $each
        (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (array.len (local.get $w)))))
    (local.get $w))
  ;; The child for a letter, a new one if need be.
  (func $child (param $node (ref $node)) (param $letter i32) (result (ref $node))
    (local $children (ref null $children)) (local $new (ref $node))
    (block $there (result (ref $node))
      (local.set $children (struct.get $node $children (local.get $node)))
      (if (ref.is_null (local.get $children))
        (then
          (local.set $children (array.new_default $children (i32.const 16)))
          (struct.set $node $children (local.get $node) (local.get $children))))
      (br_on_non_null $there (array.get $children (local.get $children) (local.get $letter)))
      (local.set $new (struct.new_default $node))
      (array.set $children (local.get $children) (local.get $letter) (local.get $new))
      (local.get $new)))
  (func $insert (param $root (ref $node)) (param $w (ref $word))
    (local $i i32)
    (loop $letters
      (local.set $root
        (call $child (local.get $root)
          (i32.and (array.get_u $word (local.get $w) (local.get $i)) (i32.const 15))))
      (br_if $letters
        (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (array.len (local.get $w)))))
    (struct.set $node $count (local.get $root)
      (i32.add (struct.get $node $count (local.get $root)) (i32.const 1))))
  ;; Letters matched, times 256, and the count where the walk ends.
  (func $look_up (param $root (ref $node)) (param $w (ref $word)) (result i32)
    (local $i i32)
    (block $end
      (loop $letters
        (br_if $end (i32.ge_u (local.get $i) (array.len (local.get $w))))
        (local.set $root
          (br_on_null $end
            (array.get $children
              (br_on_null $end (struct.get $node $children (local.get $root)))
              (i32.and (array.get_u $word (local.get $w) (local.get $i)) (i32.const 15)))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $letters)))
    (i32.or (i32.shl (local.get $i) (i32.const 8)) (struct.get $node $count (local.get $root))))
  (func (export "run") (param $scale i32) (result i32)
    (local $root (ref $node)) (local $i i32) (local $sum i32) (local $w (ref $word))
    (local.set $root (struct.new_default $node))
    (local.set $i (i32.mul (local.get $scale) (i32.const 100)))
    (loop $words
      (local.set $w (call $make_word (i32.mul (local.get $i) (i32.const 0x9e3779b1))))
      (if (i32.and (local.get $i) (i32.const 1)) (then (call $insert (local.get $root) (local.get $w))))
      (local.set $sum
        (i32.add (i32.rotl (local.get $sum) (i32.const 1)) (call $look_up (local.get $root) (local.get $w))))
      (br_if $words (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
    (local.get $sum)))
