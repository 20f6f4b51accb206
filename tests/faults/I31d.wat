;; Planted fault I31d.
;; judge: jit:O0:moving => divergence
;; judge: jit:O1:moving:armed => divergence
(module
  (func $id (param i31ref) (result i31ref) (local.get 0))
  (func (export "s") (result i32) (i31.get_s (call $id (ref.i31 (i32.const -1)))))
  (func (export "u") (result i32) (i31.get_u (call $id (ref.i31 (i32.const 0x40000000))))))
