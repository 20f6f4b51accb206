;; Planted fault SM1.
;; judge: jit:O1:moving:armed => I2: after safepoints: slot s0 .home of v\d+. is live but not listed
;; judge: jit:O1:moving:zeal=every:poison => divergence
;; judge: jit:O0:nonmoving:zeal=every:poison => divergence
;; judge: jit:O1:moving:zeal=every:armed:unverified => I2: what is used at 0x\w+ comes from a home slot that no stack map lists
;; judge: jit:O1:moving:zeal=every:pages => I1: compiled code reads retired space at 0x\w+ in function 1[^]*allocated by function 1
;; judge: jit:O0:nonmoving:zeal=every:pages => I1: compiled code reads retired space
(module
  (type $s (struct (field i32)))
  (func $g (drop (struct.new $s (i32.const 1))))
  (func (export "f") (result i32) (local $x (ref null $s))
    (local.set $x (struct.new $s (i32.const 7)))
    (call $g)
    (struct.get $s 0 (local.get $x))))
