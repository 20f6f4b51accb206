;; A stack machine interpreted by br_table: the inner loop of a bytecode interpreter.
;;
;; The interpreted program counts primes by trial division.  An instruction is one byte of operation and one
;; of operand, jumps name instructions. Variables stand at 0, the stack grows from 256, the code is at 1024.
;; Scale: numbers up to scale * 100 are tried; answers the count of primes, mixed with the instructions executed.
(module
  (memory 1)
  ;; Variables: 0 the number, 1 the divisor, 2 the count, 3 the limit.
  (data (i32.const 1024)
    "\00\02\02\00"                                ;;  0 push 2; store 0
    "\01\00\01\03\06\1e"                          ;;  2 next: load 0; load 3; jgt end
    "\00\02\02\01"                                ;;  5 push 2; store 1
    "\01\01\01\01\04\00\01\00\06\15"              ;;  7 try: load 1; load 1; mul; load 0; jgt prime
    "\01\00\01\01\05\00\07\19"                    ;; 12 load 0; load 1; rem; jz composite
    "\01\01\00\01\03\00\02\01"                    ;; 16 load 1; push 1; add; store 1
    "\08\07"                                      ;; 20 jump try
    "\01\02\00\01\03\00\02\02"                    ;; 21 prime: load 2; push 1; add; store 2
    "\01\00\00\01\03\00\02\00"                    ;; 25 composite: load 0; push 1; add; store 0
    "\08\02"                                      ;; 29 jump next
    "\09\00"                                      ;; 30 end: halt
  )
  (func (export "run") (param $scale i32) (result i32)
    (local $pc i32) (local $sp i32) (local $op i32) (local $steps i32) (local $x i32)
    (memory.fill (i32.const 0) (i32.const 0) (i32.const 256))
    (i32.store (i32.const 12) (i32.mul (local.get $scale) (i32.const 100)))
    (local.set $pc (i32.const 1024))
    (local.set $sp (i32.const 256))
    (loop $next
      (local.set $op (i32.load8_u (local.get $pc)))
      (local.set $x (i32.load8_u offset=1 (local.get $pc)))
      (local.set $pc (i32.add (local.get $pc) (i32.const 2)))
      (local.set $steps (i32.add (local.get $steps) (i32.const 1)))
      (block $halt
        (block $jump
          (block $jump_zero
            (block $jump_greater
              (block $rem
                (block $mul
                  (block $add
                    (block $store
                      (block $load
                        (block $push
                          (br_table $push $load $store $add $mul $rem $jump_greater $jump_zero $jump $halt
                            (local.get $op)))
                        ;; push
                        (i32.store (local.get $sp) (local.get $x))
                        (local.set $sp (i32.add (local.get $sp) (i32.const 4)))
                        (br $next))
                      ;; load
                      (i32.store (local.get $sp) (i32.load (i32.shl (local.get $x) (i32.const 2))))
                      (local.set $sp (i32.add (local.get $sp) (i32.const 4)))
                      (br $next))
                    ;; store
                    (local.set $sp (i32.sub (local.get $sp) (i32.const 4)))
                    (i32.store (i32.shl (local.get $x) (i32.const 2)) (i32.load (local.get $sp)))
                    (br $next))
                  ;; add
                  (local.set $sp (i32.sub (local.get $sp) (i32.const 4)))
                  (i32.store (i32.sub (local.get $sp) (i32.const 4))
                    (i32.add (i32.load (i32.sub (local.get $sp) (i32.const 4))) (i32.load (local.get $sp))))
                  (br $next))
                ;; mul
                (local.set $sp (i32.sub (local.get $sp) (i32.const 4)))
                (i32.store (i32.sub (local.get $sp) (i32.const 4))
                  (i32.mul (i32.load (i32.sub (local.get $sp) (i32.const 4))) (i32.load (local.get $sp))))
                (br $next))
              ;; rem
              (local.set $sp (i32.sub (local.get $sp) (i32.const 4)))
              (i32.store (i32.sub (local.get $sp) (i32.const 4))
                (i32.rem_u (i32.load (i32.sub (local.get $sp) (i32.const 4))) (i32.load (local.get $sp))))
              (br $next))
            ;; jump if the second is greater than the top
            (local.set $sp (i32.sub (local.get $sp) (i32.const 8)))
            (if (i32.gt_u (i32.load (local.get $sp)) (i32.load offset=4 (local.get $sp)))
              (then (local.set $pc (i32.add (i32.const 1024) (i32.shl (local.get $x) (i32.const 1))))))
            (br $next))
          ;; jump if zero
          (local.set $sp (i32.sub (local.get $sp) (i32.const 4)))
          (if (i32.eqz (i32.load (local.get $sp)))
            (then (local.set $pc (i32.add (i32.const 1024) (i32.shl (local.get $x) (i32.const 1))))))
          (br $next))
        ;; jump
        (local.set $pc (i32.add (i32.const 1024) (i32.shl (local.get $x) (i32.const 1))))
        (br $next)))
    (i32.xor (i32.load (i32.const 8)) (i32.shl (local.get $steps) (i32.const 4)))))
