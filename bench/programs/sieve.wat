;; Sieve of Eratosthenes over a byte per number: nested loops of byte stores, then a counting scan.
;; Scale: primes below scale * 1024; answers their count, mixed with the last one.
(module
  (memory 1)
  (func (export "run") (param $scale i32) (result i32)
    (local $n i32) (local $i i32) (local $j i32) (local $count i32) (local $last i32)
    (local.set $n (i32.shl (local.get $scale) (i32.const 10)))
    ;; Enough pages, all of them zero again.
    (block $big_enough
      (br_if $big_enough (i32.le_u (local.get $n) (i32.shl (memory.size) (i32.const 16))))
      (drop (memory.grow
        (i32.sub (i32.shr_u (i32.add (local.get $n) (i32.const 65535)) (i32.const 16)) (memory.size)))))
    (memory.fill (i32.const 0) (i32.const 0) (local.get $n))
    (local.set $i (i32.const 2))
    (loop $next
      (if (i32.eqz (i32.load8_u (local.get $i)))
        (then
          (local.set $count (i32.add (local.get $count) (i32.const 1)))
          (local.set $last (local.get $i))
          ;; Strike out the multiples, beginning with the square unless that is beyond the end.
          (if (i32.le_u (local.get $i) (i32.const 65535))
            (then
              (local.set $j (i32.mul (local.get $i) (local.get $i)))
              (block $done
                (loop $strike
                  (br_if $done (i32.ge_u (local.get $j) (local.get $n)))
                  (i32.store8 (local.get $j) (i32.const 1))
                  (local.set $j (i32.add (local.get $j) (local.get $i)))
                  (br $strike)))))))
      (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
    (i32.xor (local.get $count) (i32.shl (local.get $last) (i32.const 8)))))
