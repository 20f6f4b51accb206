;; Continuations: a tree walk in continuation-passing style; all calls are tail calls, the stack is on the heap.
;;
;; Continuations are closures called by return_call_ref; a state machine of mutually recursive functions follows.
;; Scale: rounds over a tree of depth 10; answers the sum of the leaves and the state machine's end.
(module
  (rec
    (type $code (func (param (ref $cont)) (param i32) (result i32)))
    (type $cont (sub (struct (field $code (ref $code)))))
    ;; After the left subtree: go on with the right one.
    (type $right (sub final $cont (struct
      (field $code (ref $code)) (field $tree (ref null $tree)) (field $then (ref $cont)))))
    ;; After the right subtree: add.
    (type $sum (sub final $cont (struct (field $code (ref $code)) (field $left i32) (field $then (ref $cont)))))
    (type $tree (struct (field $left (ref null $tree)) (field $right (ref null $tree)) (field $value i32))))
  (elem declare func $stop $go_right $add)
  (func $stop (type $code) (local.get 1))
  (func $go_right (type $code)
    (local $k (ref $right))
    (local.set $k (ref.cast (ref $right) (local.get 0)))
    (return_call $walk
      (struct.get $right $tree (local.get $k))
      (struct.new $sum (ref.func $add) (local.get 1) (struct.get $right $then (local.get $k)))))
  (func $add (type $code)
    (local $k (ref $sum))
    (local.set $k (ref.cast (ref $sum) (local.get 0)))
    (return_call $continue
      (struct.get $sum $then (local.get $k)) (i32.add (struct.get $sum $left (local.get $k)) (local.get 1))))
  (func $continue (param $k (ref $cont)) (param $value i32) (result i32)
    (return_call_ref $code (local.get $k) (local.get $value) (struct.get $cont $code (local.get $k))))
  (func $walk (param $t (ref null $tree)) (param $k (ref $cont)) (result i32)
    (if (ref.is_null (struct.get $tree $left (local.get $t)))
      (then (return_call $continue (local.get $k) (struct.get $tree $value (local.get $t)))))
    (return_call $walk
      (struct.get $tree $left (local.get $t))
      (struct.new $right (ref.func $go_right) (struct.get $tree $right (local.get $t)) (local.get $k))))
  (func $make (param $depth i32) (param $value i32) (result (ref $tree))
    (if (i32.eqz (local.get $depth))
      (then (return (struct.new $tree (ref.null $tree) (ref.null $tree) (local.get $value)))))
    (struct.new $tree
      (call $make (i32.sub (local.get $depth) (i32.const 1)) (i32.shl (local.get $value) (i32.const 1)))
      (call $make (i32.sub (local.get $depth) (i32.const 1)) (i32.add (i32.shl (local.get $value) (i32.const 1)) (i32.const 1)))
      (i32.const 0)))
  ;; Three states that hand over to each other until $n is used up.
  (func $red (param $n i32) (param $x i32) (result i32)
    (if (i32.eqz (local.get $n)) (then (return (local.get $x))))
    (return_call $green (i32.sub (local.get $n) (i32.const 1)) (i32.add (i32.mul (local.get $x) (i32.const 5)) (i32.const 1))))
  (func $green (param $n i32) (param $x i32) (result i32)
    (if (i32.eqz (local.get $n)) (then (return (local.get $x))))
    (if (i32.and (local.get $x) (i32.const 8))
      (then (return_call $blue (i32.sub (local.get $n) (i32.const 1)) (i32.rotl (local.get $x) (i32.const 3)))))
    (return_call $red (i32.sub (local.get $n) (i32.const 1)) (i32.xor (local.get $x) (i32.const 0x5bd1e995))))
  (func $blue (param $n i32) (param $x i32) (result i32)
    (if (i32.eqz (local.get $n)) (then (return (i32.xor (local.get $x) (i32.const -1)))))
    (return_call $red (i32.sub (local.get $n) (i32.const 1)) (i32.add (local.get $x) (local.get $n))))
  (func (export "run") (param $scale i32) (result i32)
    (local $tree (ref $tree)) (local $sum i32)
    (local.set $tree (call $make (i32.const 10) (i32.const 1)))
    (loop $rounds
      (local.set $sum
        (i32.add (i32.rotl (local.get $sum) (i32.const 1))
          (call $walk (local.get $tree) (struct.new $cont (ref.func $stop)))))
      (local.set $sum (call $red (i32.const 3000) (local.get $sum)))
      (br_if $rounds (local.tee $scale (i32.sub (local.get $scale) (i32.const 1)))))
    (local.get $sum)))
