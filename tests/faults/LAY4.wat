;; Planted fault LAY4.
;; judge: jit:O0:never => divergence
;; judge: jit:O1:moving:armed => divergence
(module
  (type $s (struct (field (mut i8)) (field (mut i16))))
  (func $make (result (ref $s)) (struct.new $s (i32.const 0xff) (i32.const 0x8001)))
  (func (export "s") (result i32) (struct.get_s $s 0 (call $make)))
  (func (export "u") (result i32) (struct.get_u $s 1 (call $make))))
