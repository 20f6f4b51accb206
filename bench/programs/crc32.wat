;; CRC-32 by table: a table in memory is built once per run, then goes over a buffer byte by byte.
;; Scale: kilobytes of input; answers the checksum of bytes i * 167 mod 256.
(module
  (memory 17)  ;; table at 0, buffer of one page from 1024 on
  (func $make_table
    (local $i i32) (local $bit i32) (local $c i32)
    (loop $entries
      (local.set $c (local.get $i))
      (local.set $bit (i32.const 8))
      (loop $bits
        (local.set $c
          (i32.xor (i32.shr_u (local.get $c) (i32.const 1))
                   (i32.and (i32.const 0xedb88320) (i32.sub (i32.const 0) (i32.and (local.get $c) (i32.const 1))))))
        (br_if $bits (local.tee $bit (i32.sub (local.get $bit) (i32.const 1)))))
      (i32.store (i32.shl (local.get $i) (i32.const 2)) (local.get $c))
      (br_if $entries (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 256)))))
  (func $fill
    (local $i i32)
    (loop $bytes
      (i32.store8 offset=1024 (local.get $i) (i32.mul (local.get $i) (i32.const 167)))
      (br_if $bytes (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1024)))))
  (func (export "run") (param $scale i32) (result i32)
    (local $crc i32) (local $i i32)
    (call $make_table)
    (call $fill)
    (local.set $crc (i32.const -1))
    (loop $blocks
      (local.set $i (i32.const 0))
      (loop $bytes
        (local.set $crc
          (i32.xor
            (i32.shr_u (local.get $crc) (i32.const 8))
            (i32.load
              (i32.shl
                (i32.and (i32.xor (local.get $crc) (i32.load8_u offset=1024 (local.get $i))) (i32.const 255))
                (i32.const 2)))))
        (br_if $bytes (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1024))))
      (br_if $blocks (local.tee $scale (i32.sub (local.get $scale) (i32.const 1)))))
    (i32.xor (local.get $crc) (i32.const -1))))
