;; A virtual machine whose operations are functions in a table: call_indirect in a loop.
;;
;; The machine has sixteen registers and a program of words op << 24 | dst << 16 | a << 8 | b.  Each operation answers the
;; next program counter.  The program below runs a linear congruential generator and
;; mixes what it gives.
;; Scale: thousands of rounds of the program's loop; answers its accumulator.
(module
  (memory 1)  ;; registers at 0, program at 64
  (type $op (func (param $word i32) (param $pc i32) (result i32)))
  (table $ops funcref (elem $halt $move $add $mul $xor $shr $jump_unless_zero $decrement))
  (func $get (param $r i32) (result i32)
    (i32.load (i32.shl (i32.and (local.get $r) (i32.const 15)) (i32.const 2))))
  (func $set (param $r i32) (param $value i32)
    (i32.store (i32.shl (i32.and (local.get $r) (i32.const 15)) (i32.const 2)) (local.get $value)))
  (func $dst (param $word i32) (result i32) (i32.shr_u (local.get $word) (i32.const 16)))
  (func $a (param $word i32) (result i32) (call $get (i32.shr_u (local.get $word) (i32.const 8))))
  (func $b (param $word i32) (result i32) (call $get (local.get $word)))

  (func $halt (type $op) (i32.const -1))
  (func $move (type $op)
    (call $set (call $dst (local.get 0)) (call $a (local.get 0)))
    (i32.add (local.get 1) (i32.const 4)))
  (func $add (type $op)
    (call $set (call $dst (local.get 0)) (i32.add (call $a (local.get 0)) (call $b (local.get 0))))
    (i32.add (local.get 1) (i32.const 4)))
  (func $mul (type $op)
    (call $set (call $dst (local.get 0)) (i32.mul (call $a (local.get 0)) (call $b (local.get 0))))
    (i32.add (local.get 1) (i32.const 4)))
  (func $xor (type $op)
    (call $set (call $dst (local.get 0)) (i32.xor (call $a (local.get 0)) (call $b (local.get 0))))
    (i32.add (local.get 1) (i32.const 4)))
  (func $shr (type $op)
    (call $set (call $dst (local.get 0)) (i32.shr_u (call $a (local.get 0)) (call $b (local.get 0))))
    (i32.add (local.get 1) (i32.const 4)))
  ;; The destination field is the distance back in words.
  (func $jump_unless_zero (type $op)
    (if (result i32) (call $a (local.get 0))
      (then (i32.sub (local.get 1)
                     (i32.shl (i32.and (call $dst (local.get 0)) (i32.const 255)) (i32.const 2))))
      (else (i32.add (local.get 1) (i32.const 4)))))
  (func $decrement (type $op)
    (call $set (call $dst (local.get 0)) (i32.sub (call $a (local.get 0)) (i32.const 1)))
    (i32.add (local.get 1) (i32.const 4)))

  ;; r0 rounds left, r1 seed, r2 factor, r3 summand, r4 shift, r5 scratch, r6 accumulator.
  (func $load_program
    (i32.store offset=64 (i32.const 0) (i32.const 0x03010102))   ;; mul  r1 = r1 * r2
    (i32.store offset=64 (i32.const 4) (i32.const 0x02010103))   ;; add  r1 = r1 + r3
    (i32.store offset=64 (i32.const 8) (i32.const 0x05050104))   ;; shr  r5 = r1 >> r4
    (i32.store offset=64 (i32.const 12) (i32.const 0x04060605))  ;; xor  r6 = r6 ^ r5
    (i32.store offset=64 (i32.const 16) (i32.const 0x02060601))  ;; add  r6 = r6 + r1
    (i32.store offset=64 (i32.const 20) (i32.const 0x01070600))  ;; move r7 = r6
    (i32.store offset=64 (i32.const 24) (i32.const 0x07000000))  ;; dec  r0
    (i32.store offset=64 (i32.const 28) (i32.const 0x06070000))  ;; jump 7 words back unless r0 is zero
    (i32.store offset=64 (i32.const 32) (i32.const 0)))          ;; halt
  (func (export "run") (param $scale i32) (result i32)
    (local $pc i32) (local $word i32)
    (memory.fill (i32.const 0) (i32.const 0) (i32.const 64))
    (call $load_program)
    (call $set (i32.const 0) (i32.mul (local.get $scale) (i32.const 1000)))
    (call $set (i32.const 1) (i32.const 42))
    (call $set (i32.const 2) (i32.const 1664525))
    (call $set (i32.const 3) (i32.const 1013904223))
    (call $set (i32.const 4) (i32.const 11))
    (loop $step
      (local.set $word (i32.load offset=64 (local.get $pc)))
      (local.set $pc
        (call_indirect (type $op) (local.get $word) (local.get $pc) (i32.shr_u (local.get $word) (i32.const 24))))
      (br_if $step (i32.ge_s (local.get $pc) (i32.const 0))))
    (call $get (i32.const 7))))
