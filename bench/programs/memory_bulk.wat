;; memory.copy and memory.fill of many lengths, and the same work word by word in loops.
;; Scale: rounds over a buffer of 64 KiB; answers a checksum of the buffer.
(module
  (memory 2)
  ;; Copies words upwards; the loop that bulk operations replace.
  (func $copy_words (param $to i32) (param $from i32) (param $bytes i32)
    (local $end i32)
    (local.set $end (i32.add (local.get $from) (local.get $bytes)))
    (loop $each
      (i64.store (local.get $to) (i64.load (local.get $from)))
      (local.set $to (i32.add (local.get $to) (i32.const 8)))
      (br_if $each
        (i32.lt_u (local.tee $from (i32.add (local.get $from) (i32.const 8))) (local.get $end)))))
  (func $checksum (result i32)
    (local $i i32) (local $sum i64)
    (loop $each
      (local.set $sum
        (i64.add (i64.mul (local.get $sum) (i64.const 31)) (i64.load (local.get $i))))
      (br_if $each (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 8))) (i32.const 65536))))
    (i32.xor (i32.wrap_i64 (local.get $sum)) (i32.wrap_i64 (i64.shr_u (local.get $sum) (i64.const 32)))))
  (func (export "run") (param $scale i32) (result i32)
    (local $length i32) (local $at i32)
    (memory.fill (i32.const 0) (i32.const 0) (i32.const 131072))
    (loop $rounds
      (local.set $length (i32.const 16))
      (loop $lengths
        ;; A pattern, moved up over itself, copied to the other page and back by words.
        (local.set $at (i32.and (i32.mul (i32.add (local.get $scale) (local.get $length)) (i32.const 88)) (i32.const 0x7ff8)))
        (memory.fill (local.get $at) (i32.add (local.get $scale) (local.get $length)) (local.get $length))
        (memory.copy (i32.add (local.get $at) (i32.const 24)) (local.get $at) (local.get $length))
        (memory.copy (i32.const 65536) (local.get $at) (local.get $length))
        (call $copy_words (i32.const 32768) (i32.const 65536) (local.get $length))
        (br_if $lengths
          (i32.le_u (local.tee $length (i32.shl (local.get $length) (i32.const 1))) (i32.const 16384))))
      (br_if $rounds (local.tee $scale (i32.sub (local.get $scale) (i32.const 1)))))
    (call $checksum)))
