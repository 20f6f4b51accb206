;; Planted fault FWD1.
;; An object that two others share is moved once and forwarded once.
;; judge: jit:O1:moving:zeal=every:armed => .
;; judge: jit:O1:moving:zeal=every:verify-after => I1:
(module
  (type $s (struct (field i32)))
  (type $p (struct (field (ref $s)) (field (ref $s))))
  (func (export "f") (result i32) (local $x (ref null $s)) (local $p (ref null $p))
    (local.set $x (struct.new $s (i32.const 7)))
    (local.set $p (struct.new $p (ref.as_non_null (local.get $x)) (ref.as_non_null (local.get $x))))
    (drop (struct.new $s (i32.const 1)))
    (ref.eq (struct.get $p 0 (local.get $p)) (struct.get $p 1 (local.get $p)))))
