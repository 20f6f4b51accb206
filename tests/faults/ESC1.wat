;; Planted fault ESC1.
;; plan: instantiate 0 | call 0 store | call 0 load
;; judge: jit:O2:moving => divergence
;; judge: ir:O2 => divergence
(module
  (type $leaf (struct (field i32)))
  (type $pair (struct (field (mut (ref null $leaf))) (field (mut (ref null $leaf)))))
  (global $g (ref $pair) (struct.new_default $pair))
  (func (export "store") (struct.set $pair 0 (global.get $g) (struct.new $leaf (i32.const 7))))
  (func (export "load") (result i32) (ref.is_null (struct.get $pair 0 (global.get $g)))))
