;; Wasmtime 10399 and 9669: "every on-stack gc_ref inside a Wasm frame should have an entry in the VMGcRefActivationsTable".
;;
;; Causes there: the hole of 10397 seen from the other side, and the slow path of an allocation that returned a reference
;; nobody had registered. That assertion is one-sided: it sees a map that names something unregistered, never a live
;; reference that the map omits. Shape: results of allocations, casts and selects that live over the next allocation, in
;; loops and over calls.
;;
;; fault: SM3 on jit:O2:moving:zeal=every:armed
;; fault: SM3 on jit:O1:moving:zeal=every:armed:unverified
;; fault: SM1 on jit:O1:moving:zeal=every:poison
;; fault: SM9 on jit:O2:moving:zeal=every:armed
(module
  (type $s (sub (struct (field (mut i32)))))
  (type $t (sub $s (struct (field (mut i32)) (field (ref null $s)))))
  (type $pair (struct (field (ref $s)) (field (ref $s))))
  (func $garbage (drop (struct.new $s (i32.const -1))))
  (func $sum (param $p (ref $pair)) (result i32)
    (i32.add (struct.get $s 0 (struct.get $pair 0 (local.get $p))) (struct.get $s 0 (struct.get $pair 1 (local.get $p)))))
  (func (export "operands") (result i32)
    (call $sum (struct.new $pair (struct.new $s (i32.const 1)) (struct.new $s (i32.const 2)))))
  (func (export "held") (param $n i32) (result i32) (local $x (ref null $s)) (local $i i32)
    (local.set $x (struct.new $t (i32.const 7) (ref.null $s)))
    (loop $l
      (call $garbage)
      (struct.set $s 0 (local.get $x) (i32.add (struct.get $s 0 (local.get $x)) (i32.const 1)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $l (i32.lt_u (local.get $i) (local.get $n))))
    (struct.get $s 0 (local.get $x)))
  (func (export "refined") (param $c i32) (result i32) (local $a (ref null $s)) (local $b (ref null $s))
    (local.set $a (struct.new $s (i32.const 3)))
    (local.set $b (struct.new $t (i32.const 4) (ref.null $s)))
    (call $garbage)
    (call $sum (struct.new $pair
      (ref.as_non_null (select (result (ref null $s)) (local.get $a) (local.get $b) (local.get $c)))
      (ref.cast (ref $t) (local.get $b)))))
)
(assert_return (invoke "operands") (i32.const 3))
(assert_return (invoke "held" (i32.const 10)) (i32.const 17))
(assert_return (invoke "refined" (i32.const 0)) (i32.const 8))
(assert_return (invoke "refined" (i32.const 1)) (i32.const 7))
