;; Wasmtime 10397: "id from different slab", found by compiled OCaml programs.
;;
;; Cause there: a reference variable that flows through block parameters of nested loops was not marked for stack maps.
;; The object was freed while live, its slot used again, and recycled bytes were read as a function's id. Shape: an outer
;; loop allocates an array into a non-null local, an inner loop casts and sets elements, and afterwards the function in a
;; closure that was held all the time is called.
;;
;; fault: SM2 on jit:O2:moving:zeal=every:armed
;; fault: SM2 on jit:O2:moving:zeal=every:poison
;; fault: SM2 on jit:O1:nonmoving:zeal=every:armed:unverified
(module
  (type $f (func (result i32)))
  (type $closure (sub (struct (field (ref $f)) (field i32))))
  (type $env (array (mut (ref null eq))))
  (func $one (type $f) (i32.const 41))
  (func $two (type $f) (i32.const 42))
  (elem declare func $one $two)
  (func (export "run") (param $n i32) (result i32)
    (local $a (ref $env)) (local $x (ref eq)) (local $i i32) (local $j i32)
    (local.set $x (struct.new $closure (ref.func $one) (i32.const 1)))
    (loop $outer
      (local.set $a (array.new_default $env (i32.const 8)))
      (local.set $j (i32.const 0))
      (loop $inner
        (if (i32.eq (local.get $j) (i32.const 5))
          (then (local.set $x (struct.new $closure (ref.func $two) (local.get $i)))))
        (array.set $env (local.get $a) (local.get $j)
          (struct.new $closure (ref.func $one) (struct.get $closure 1 (ref.cast (ref $closure) (local.get $x)))))
        (local.set $j (i32.add (local.get $j) (i32.const 1)))
        (br_if $inner (i32.lt_u (local.get $j) (array.len (local.get $a)))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $outer (i32.lt_u (local.get $i) (local.get $n))))
    (i32.add (i32.mul (i32.const 100) (struct.get $closure 1 (ref.cast (ref $closure) (local.get $x))))
             (call_ref $f (struct.get $closure 0 (ref.cast (ref $closure) (local.get $x))))))
)
(assert_return (invoke "run" (i32.const 1)) (i32.const 42))
(assert_return (invoke "run" (i32.const 20)) (i32.const 1942))
