;; Planted fault LAY1.
;; judge: jit:O0:never => divergence
;; judge: jit:O1:moving:armed => .
(module
  (type $super (sub (struct (field i64) (field (mut (ref null any))))))
  (type $sub (sub $super (struct (field i64) (field (mut (ref null any))) (field (ref null any)))))
  (func $make (result (ref $super))
    (struct.new $sub (i64.const 0x1122334455667788) (ref.i31 (i32.const 5)) (ref.i31 (i32.const 9))))
  (func (export "f") (result i64) (struct.get $super 0 (call $make))))
