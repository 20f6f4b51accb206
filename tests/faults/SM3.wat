;; Planted fault SM3.
;; judge: jit:O1:moving:armed => I2: after safepoints
;; judge: jit:O1:moving:zeal=every:poison => I1: object 0x3000
;; judge: jit:O1:moving:zeal=every:armed:unverified => I[12]: 
(module
  (type $s (struct (field i32)))
  (type $p (struct (field (ref $s)) (field (ref $s))))
  (func (export "f") (result i32)
    (struct.get $s 0 (struct.get $p 0
      (struct.new $p (struct.new $s (i32.const 7)) (struct.new $s (i32.const 8)))))))
