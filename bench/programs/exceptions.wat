;; Exceptions with payloads: thrown some calls deep, caught by tag, by catch_all_ref and thrown on.
;;
;; A parser for a tiny grammar of nested brackets over generated input; errors are exceptions that carry a position and a
;; struct. One input in three is wrong.
;; Scale: hundreds of inputs; answers a checksum of results and errors.
(module
  (type $text (array (mut i8)))
  (type $report (struct (field $where i32) (field $letter i32)))
  (tag $wrong (param i32 (ref $report)))
  (tag $too_deep (param i32))
  (global $at (mut i32) (i32.const 0))
  (func $peek (param $text (ref $text)) (result i32)
    (if (result i32) (i32.lt_u (global.get $at) (array.len (local.get $text)))
      (then (array.get_u $text (local.get $text) (global.get $at)))
      (else (i32.const 0))))
  (func $expect (param $text (ref $text)) (param $letter i32)
    (if (i32.ne (call $peek (local.get $text)) (local.get $letter))
      (then
        (throw $wrong (global.get $at)
          (struct.new $report (global.get $at) (call $peek (local.get $text))))))
    (global.set $at (i32.add (global.get $at) (i32.const 1))))
  ;; item = digit | "(" item item ")"; answers its value.
  (func $item (param $text (ref $text)) (param $depth i32) (result i32)
    (local $letter i32) (local $value i32)
    (if (i32.gt_u (local.get $depth) (i32.const 6)) (then (throw $too_deep (global.get $at))))
    (local.set $letter (call $peek (local.get $text)))
    (if (i32.eq (local.get $letter) (i32.const 0x28))
      (then
        (call $expect (local.get $text) (i32.const 0x28))
        (local.set $value (call $item (local.get $text) (i32.add (local.get $depth) (i32.const 1))))
        (local.set $value
          (i32.add (i32.mul (local.get $value) (i32.const 3))
                   (call $item (local.get $text) (i32.add (local.get $depth) (i32.const 1)))))
        (call $expect (local.get $text) (i32.const 0x29))
        (return (local.get $value))))
    (call $expect (local.get $text) (i32.const 0x31))
    (i32.add (local.get $depth) (i32.const 1)))
  ;; Writes an item of the given depth at $i, answers the end; $seed decides the shape.
  (func $write (param $text (ref $text)) (param $i i32) (param $depth i32) (param $seed i32) (result i32)
    (if (i32.or (i32.eqz (local.get $depth)) (i32.eqz (i32.and (local.get $seed) (i32.const 7))))
      (then
        (array.set $text (local.get $text) (local.get $i) (i32.const 0x31))
        (return (i32.add (local.get $i) (i32.const 1)))))
    (array.set $text (local.get $text) (local.get $i) (i32.const 0x28))
    (local.set $seed (i32.add (i32.mul (local.get $seed) (i32.const 1664525)) (i32.const 1013904223)))
    (local.set $depth (i32.sub (local.get $depth) (i32.const 1)))
    (local.set $i
      (call $write (local.get $text) (i32.add (local.get $i) (i32.const 1)) (local.get $depth)
        (i32.shr_u (local.get $seed) (i32.const 9))))
    (local.set $i
      (call $write (local.get $text) (local.get $i) (local.get $depth)
        (i32.shr_u (local.get $seed) (i32.const 14))))
    (array.set $text (local.get $text) (local.get $i) (i32.const 0x29))
    (i32.add (local.get $i) (i32.const 1)))
  ;; Parses; whatever goes wrong passes through here once and is thrown on.
  (func $guarded (param $text (ref $text)) (result i32)
    (block $any (result exnref)
      (return (try_table (result i32) (catch_all_ref $any) (call $item (local.get $text) (i32.const 0)))))
    (throw_ref))
  (func $parse (param $text (ref $text)) (result i32)
    (local $report (ref null $report)) (local $where i32)
    (global.set $at (i32.const 0))
    (block $deep (result i32)
      (block $bad (result i32 (ref $report))
        (return
          (try_table (result i32) (catch $wrong $bad) (catch $too_deep $deep) (call $guarded (local.get $text)))))
      (local.set $report)
      (local.set $where)
      (return
        (i32.add (i32.mul (local.get $where) (i32.const 0x10001))
          (i32.xor (struct.get $report $where (local.get $report)) (struct.get $report $letter (local.get $report))))))
    (i32.or (i32.const 0x40000000)))
  (func (export "run") (param $scale i32) (result i32)
    (local $i i32) (local $sum i32) (local $text (ref $text)) (local $end i32)
    (local.set $text (array.new_default $text (i32.const 1024)))
    (local.set $i (i32.mul (local.get $scale) (i32.const 100)))
    (loop $inputs
      (array.fill $text (local.get $text) (i32.const 0) (i32.const 0) (i32.const 1024))
      (local.set $end
        (call $write (local.get $text) (i32.const 0)
          (i32.add (i32.const 1) (i32.rem_u (local.get $i) (i32.const 7)))
          (i32.mul (local.get $i) (i32.const 0x9e3779b1))))
      (if (i32.eqz (i32.rem_u (local.get $i) (i32.const 3)))
        (then
          (array.set $text (local.get $text)
            (i32.rem_u (i32.mul (local.get $i) (i32.const 31)) (local.get $end)) (i32.const 0x3f))))
      (local.set $sum (i32.add (i32.rotl (local.get $sum) (i32.const 3)) (call $parse (local.get $text))))
      (br_if $inputs (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
    (local.get $sum)))
