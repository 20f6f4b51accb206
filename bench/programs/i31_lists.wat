;; Numbers as dynamic languages have them: small ones as i31, large ones boxed, both as anyref in cons lists.
;;
;; Builds lists, maps a polynomial over them with overflow into boxes, sums and reverses them.
;; Scale: hundreds of lists; answers the mixed sums.
(module
  (type $box (struct (field $value i64)))
  (rec (type $pair (struct (field $head (ref null any)) (field $tail (ref null $pair)))))
  ;; A number as i31 if it fits in 31 bits.
  (func $number (param $n i64) (result (ref any))
    (if (result (ref any))
        (i64.lt_u (i64.add (local.get $n) (i64.const 0x40000000)) (i64.const 0x80000000))
      (then (ref.i31 (i32.wrap_i64 (local.get $n))))
      (else (struct.new $box (local.get $n)))))
  (func $value (param $x (ref null any)) (result i64)
    (block $boxed (result (ref null any))
      (return
        (i64.extend_i32_s
          (i31.get_s (br_on_cast_fail $boxed (ref null any) (ref i31) (local.get $x))))))
    (struct.get $box $value (ref.cast (ref $box))))
  (func $add (param $a (ref null any)) (param $b (ref null any)) (result (ref any))
    (if (i32.and (ref.test (ref i31) (local.get $a)) (ref.test (ref i31) (local.get $b)))
      (then
        (return_call $number
          (i64.extend_i32_s
            (i32.add (i31.get_s (ref.cast (ref i31) (local.get $a))) (i31.get_s (ref.cast (ref i31) (local.get $b))))))))
    (call $number (i64.add (call $value (local.get $a)) (call $value (local.get $b)))))
  (func $mul (param $a (ref null any)) (param $b (ref null any)) (result (ref any))
    (call $number
      (i64.and (i64.mul (call $value (local.get $a)) (call $value (local.get $b))) (i64.const 0xffffffffff))))
  (func $range (param $n i32) (result (ref null $pair))
    (local $list (ref null $pair))
    (loop $each
      (local.set $list (struct.new $pair (ref.i31 (local.get $n)) (local.get $list)))
      (br_if $each (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $list))
  ;; x * x * k + x for every x, in reverse order.
  (func $map (param $list (ref null $pair)) (param $k (ref any)) (result (ref null $pair))
    (local $out (ref null $pair)) (local $x (ref null any))
    (block $done
      (loop $each
        (br_if $done (ref.is_null (local.get $list)))
        (local.set $x (struct.get $pair $head (local.get $list)))
        (local.set $out
          (struct.new $pair
            (call $add (call $mul (call $mul (local.get $x) (local.get $x)) (local.get $k)) (local.get $x))
            (local.get $out)))
        (local.set $list (struct.get $pair $tail (local.get $list)))
        (br $each)))
    (local.get $out))
  (func $sum (param $list (ref null $pair)) (result i64)
    (local $sum (ref any))
    (local.set $sum (ref.i31 (i32.const 0)))
    (block $done
      (loop $each
        (br_if $done (ref.is_null (local.get $list)))
        (local.set $sum (call $add (local.get $sum) (struct.get $pair $head (local.get $list))))
        (local.set $list (struct.get $pair $tail (local.get $list)))
        (br $each)))
    (call $value (local.get $sum)))
  (func (export "run") (param $scale i32) (result i32)
    (local $i i32) (local $mix i64)
    (local.set $i (i32.mul (local.get $scale) (i32.const 100)))
    (loop $lists
      (local.set $mix
        (i64.add (i64.rotl (local.get $mix) (i64.const 7))
          (call $sum (call $map (call $range (i32.const 24)) (call $number (i64.extend_i32_u (local.get $i)))))))
      (br_if $lists (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
    (i32.xor (i32.wrap_i64 (local.get $mix)) (i32.wrap_i64 (i64.shr_u (local.get $mix) (i64.const 32))))))
