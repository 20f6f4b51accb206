;; Planted fault BAS1.
;; judge: jit:O0:nonmoving:zeal=every:poison => divergence
;; judge: jit:O0:moving:zeal=every:armed => I[12]:
(module
  (type $s (struct (field i32)))
  (func $g (result i32) (struct.get $s 0 (struct.new $s (i32.const 1))))
  (func $add (param (ref $s) i32) (result i32)
    (i32.add (struct.get $s 0 (local.get 0)) (local.get 1)))
  (func (export "f") (result i32)
    (call $add (struct.new $s (i32.const 7)) (call $g))))
