;; Wasmtime 10181: "internal assertion failure in JIT code, illegal instruction", found by a program named constprop.
;;
;; Four faults stood behind one symptom: a barrier on externref assumed that it is never an i31 (10371); a conversion of a
;; raw value took ownership without a count (10374); a load typed (ref null none) was removed together with its bounds
;; trap (10372); null or i31 was tested with one mask that ordinary references matched too (10221). Each has a function
;; here, except the second, whose shape is a root of the embedder (tests/faults/OWN1.wat).
;;
;; fault: I31c on jit:O1:moving
;; fault: OPT6 on jit:O1:moving
;; fault: I31a on jit:O1:moving:zeal=every:armed
;; fault: I31a on jit:O2:moving:zeal=every:poison
(module
  (type $s (struct (field i32)))
  (type $none (array (mut (ref null none))))
  (global $e (mut externref) (ref.null extern))
  (table $t 4 anyref)
  ;; 10371: an i31 in a slot of type externref, written and overwritten.
  (func (export "externref") (result i32)
    (global.set $e (extern.convert_any (ref.i31 (i32.const 7))))
    (global.set $e (extern.convert_any (ref.i31 (i32.const 9))))
    (i31.get_s (ref.cast (ref i31) (any.convert_extern (global.get $e)))))
  ;; 10372: a load that can only give null still has its bounds check.
  (func (export "none") (param $i i32)
    (drop (array.get $none (array.new_default $none (i32.const 2)) (local.get $i))))
  ;; 10221: references whose low bits are any that alignment allows, among nulls and i31s.
  (func (export "mask") (result i32) (local $i i32) (local $n i32)
    (loop $fill
      (table.set $t (local.get $i) (struct.new $s (i32.add (local.get $i) (i32.const 1))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $fill (i32.lt_u (local.get $i) (i32.const 3))))
    (table.set $t (i32.const 3) (ref.i31 (i32.const 50)))
    (drop (struct.new $s (i32.const 0)))
    (drop (struct.new $s (i32.const 0)))
    (local.set $i (i32.const 0))
    (loop $read
      (local.set $n (i32.add (local.get $n)
        (block $small (result i32)
          (block $object (result anyref)
            (br $small (i31.get_s (br_on_cast_fail $object anyref (ref i31) (table.get $t (local.get $i))))))
          (struct.get $s 0 (ref.cast (ref $s))))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $read (i32.lt_u (local.get $i) (i32.const 4))))
    (local.get $n))
)
(assert_return (invoke "externref") (i32.const 9))
(assert_return (invoke "none" (i32.const 1)))
(assert_trap (invoke "none" (i32.const 2)) "out of bounds array access")
(assert_return (invoke "mask") (i32.const 56))
