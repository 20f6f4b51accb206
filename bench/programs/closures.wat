;; Closures as a functional language compiles them: a struct of code and captured values, called through call_ref.
;;
;; A pipeline of stages (add, multiply, compose) is built anew every round, then mapped over a range and folded.
;; Scale: hundreds of rounds; answers the folded sum.
(module
  (rec
    (type $code (func (param (ref $closure)) (param i32) (result i32)))
    (type $closure (sub (struct (field $code (ref $code)))))
    (type $with_int (sub $closure (struct (field $code (ref $code)) (field $n i32))))
    (type $with_two (sub $closure (struct (field $code (ref $code)) (field $f (ref $closure)) (field $g (ref $closure))))))
  (elem declare func $add $mul $compose)
  (func $apply (param $f (ref $closure)) (param $x i32) (result i32)
    (call_ref $code (local.get $f) (local.get $x) (struct.get $closure $code (local.get $f))))
  (func $add (type $code)
    (i32.add (local.get 1) (struct.get $with_int $n (ref.cast (ref $with_int) (local.get 0)))))
  (func $mul (type $code)
    (i32.mul (local.get 1) (struct.get $with_int $n (ref.cast (ref $with_int) (local.get 0)))))
  (func $compose (type $code)
    (local $both (ref $with_two))
    (local.set $both (ref.cast (ref $with_two) (local.get 0)))
    (call $apply (struct.get $with_two $f (local.get $both))
                 (call $apply (struct.get $with_two $g (local.get $both)) (local.get 1))))
  (func $adder (param $n i32) (result (ref $closure)) (struct.new $with_int (ref.func $add) (local.get $n)))
  (func $multiplier (param $n i32) (result (ref $closure)) (struct.new $with_int (ref.func $mul) (local.get $n)))
  (func $composed (param $f (ref $closure)) (param $g (ref $closure)) (result (ref $closure))
    (struct.new $with_two (ref.func $compose) (local.get $f) (local.get $g)))
  ;; $n stages, alternating.
  (func $pipeline (param $n i32) (result (ref $closure))
    (local $f (ref $closure))
    (local.set $f (call $adder (local.get $n)))
    (loop $stages
      (local.set $f
        (call $composed
          (if (result (ref $closure)) (i32.and (local.get $n) (i32.const 1))
            (then (call $multiplier (i32.or (local.get $n) (i32.const 1))))
            (else (call $adder (local.get $n))))
          (local.get $f)))
      (br_if $stages (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $f))
  (func $fold (param $f (ref $closure)) (param $n i32) (result i32)
    (local $sum i32)
    (loop $each
      (local.set $sum (i32.add (i32.rotl (local.get $sum) (i32.const 1)) (call $apply (local.get $f) (local.get $n))))
      (br_if $each (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum))
  (func (export "run") (param $scale i32) (result i32)
    (local $i i32) (local $sum i32)
    (local.set $i (i32.mul (local.get $scale) (i32.const 100)))
    (loop $rounds
      (local.set $sum
        (i32.xor (i32.rotl (local.get $sum) (i32.const 1))
          (call $fold (call $pipeline (i32.add (i32.and (local.get $i) (i32.const 7)) (i32.const 4))) (i32.const 16))))
      (br_if $rounds (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
    (local.get $sum)))
