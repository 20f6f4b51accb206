;; A throw through `frames` frames that do not catch it, to a handler by tag; `times` times. Answers how often it arrived.
;; bench/micro/throw.py measures it.
(module
  (tag $e (param i32))
  (func $frame (param $more i32)
    (if (i32.eqz (local.get $more)) (then (throw $e (i32.const 1))))
    (call $frame (i32.sub (local.get $more) (i32.const 1))))
  (func $catches (param $frames i32) (result i32)
    (block $h (result i32)
      (try_table (catch $e $h) (call $frame (i32.sub (local.get $frames) (i32.const 1))))
      (i32.const 0)))
  (func (export "through") (param $frames i32) (param $times i32) (result i32)
    (local $arrived i32)
    (loop $again
      (local.set $arrived (i32.add (local.get $arrived) (call $catches (local.get $frames))))
      (br_if $again (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))
    (local.get $arrived)))
