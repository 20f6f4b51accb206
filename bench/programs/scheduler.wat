;; An object-oriented scheduler: tasks of four classes in a queue, told apart with br_on_cast and ref.test.
;;
;; Tasks send each other packets. Idle tasks draw numbers, workers transform packets, devices hold them for a while,
;; handlers pass them on. Every task is a struct of a subtype of $task; a packet is allocated per message.
;; Scale: thousands of scheduling steps; answers a checksum of counters.
(module
  (rec
    (type $packet (struct (field $link (mut (ref null $packet))) (field $kind i32) (field $datum (mut i32))))
    (type $task (sub (struct
      (field $queue (mut (ref null $packet))) (field $count (mut i32)) (field $next (mut (ref null $task))))))
    (type $idle (sub $task (struct
      (field $queue (mut (ref null $packet))) (field $count (mut i32)) (field $next (mut (ref null $task)))
      (field $seed (mut i32)))))
    (type $worker (sub $task (struct
      (field $queue (mut (ref null $packet))) (field $count (mut i32)) (field $next (mut (ref null $task)))
      (field $state (mut i32)) (field $peer (mut (ref null $task))))))
    (type $device (sub $task (struct
      (field $queue (mut (ref null $packet))) (field $count (mut i32)) (field $next (mut (ref null $task)))
      (field $held (mut (ref null $packet))) (field $back (mut (ref null $task))))))
    (type $handler (sub final $task (struct
      (field $queue (mut (ref null $packet))) (field $count (mut i32)) (field $next (mut (ref null $task)))
      (field $first (mut (ref null $task))) (field $second (mut (ref null $task)))))))
  ;; Puts a packet in front of a task's queue.
  (func $send (param $to (ref $task)) (param $p (ref $packet))
    (struct.set $packet $link (local.get $p) (struct.get $task $queue (local.get $to)))
    (struct.set $task $queue (local.get $to) (local.get $p)))
  (func $receive (param $task (ref $task)) (result (ref null $packet))
    (local $p (ref null $packet))
    (local.set $p (struct.get $task $queue (local.get $task)))
    (if (i32.eqz (ref.is_null (local.get $p)))
      (then (struct.set $task $queue (local.get $task) (struct.get $packet $link (local.get $p)))))
    (local.get $p))
  (func $run_idle (param $t (ref $idle))
    (local $seed i32)
    (local.set $seed
      (i32.add (i32.mul (struct.get $idle $seed (local.get $t)) (i32.const 1103515245)) (i32.const 12345)))
    (struct.set $idle $seed (local.get $t) (local.get $seed))
    ;; Now and then a new packet, for the next in the ring.
    (if (i32.and (local.get $seed) (i32.const 0x10000))
      (then
        (call $send (ref.as_non_null (struct.get $idle $next (local.get $t)))
          (struct.new $packet (ref.null $packet)
            (i32.and (i32.shr_u (local.get $seed) (i32.const 20)) (i32.const 3))
            (local.get $seed))))))
  (func $run_worker (param $t (ref $worker))
    (local $p (ref null $packet))
    (block $nothing
      (local.set $p (br_on_null $nothing (call $receive (local.get $t))))
      (struct.set $worker $state (local.get $t)
        (i32.rotl (i32.xor (struct.get $worker $state (local.get $t)) (struct.get $packet $datum (local.get $p)))
                  (i32.const 7)))
      (struct.set $packet $datum (local.get $p) (struct.get $worker $state (local.get $t)))
      (call $send (ref.as_non_null (struct.get $worker $peer (local.get $t))) (ref.as_non_null (local.get $p)))))
  (func $run_device (param $t (ref $device))
    (local $held (ref null $packet))
    ;; What was held goes back; what came is held.
    (local.set $held (struct.get $device $held (local.get $t)))
    (if (i32.eqz (ref.is_null (local.get $held)))
      (then
        (call $send (ref.as_non_null (struct.get $device $back (local.get $t))) (ref.as_non_null (local.get $held)))))
    (struct.set $device $held (local.get $t) (call $receive (local.get $t))))
  (func $run_handler (param $t (ref $handler))
    (local $p (ref null $packet))
    (block $nothing
      (local.set $p (br_on_null $nothing (call $receive (local.get $t))))
      ;; One kind in four ends here.
      (br_if $nothing (i32.eqz (struct.get $packet $kind (local.get $p))))
      (call $send
        (ref.as_non_null
          (if (result (ref null $task)) (i32.and (struct.get $packet $datum (local.get $p)) (i32.const 64))
            (then (struct.get $handler $first (local.get $t)))
            (else (struct.get $handler $second (local.get $t)))))
        (struct.new $packet (ref.null $packet)
          (i32.sub (struct.get $packet $kind (local.get $p)) (i32.const 1))
          (struct.get $packet $datum (local.get $p))))))
  (func $run_task (param $t (ref $task))
    (struct.set $task $count (local.get $t) (i32.add (struct.get $task $count (local.get $t)) (i32.const 1)))
    (block $is_handler (result (ref $handler))
      (block $is_device (result (ref $device))
        (block $is_worker (result (ref $worker))
          (block $is_idle (result (ref $idle))
            (br_on_cast $is_idle (ref $task) (ref $idle) (local.get $t))
            (br_on_cast $is_worker (ref $task) (ref $worker))
            (br_on_cast $is_device (ref $task) (ref $device))
            (br $is_handler (ref.cast (ref $handler))))
          (return_call $run_idle))
        (return_call $run_worker))
      (return_call $run_device))
    (return_call $run_handler))
  ;; Packets in a queue that carry an odd datum.
  (func $odd (param $p (ref null $packet)) (result i32)
    (local $n i32)
    (block $done
      (loop $each
        (br_if $done (ref.is_null (local.get $p)))
        (local.set $n (i32.add (local.get $n) (i32.and (struct.get $packet $datum (local.get $p)) (i32.const 1))))
        (local.set $p (struct.get $packet $link (local.get $p)))
        (br $each)))
    (local.get $n))
  (func (export "run") (param $scale i32) (result i32)
    (local $idle (ref $idle)) (local $w1 (ref $worker)) (local $w2 (ref $worker))
    (local $d (ref $device)) (local $h (ref $handler)) (local $at (ref null $task)) (local $steps i32) (local $sum i32)
    (local.set $h (struct.new_default $handler))
    (local.set $d (struct.new_default $device))
    (local.set $w1 (struct.new_default $worker))
    (local.set $w2 (struct.new_default $worker))
    (local.set $idle (struct.new_default $idle))
    (struct.set $idle $seed (local.get $idle) (i32.const 7))
    ;; The ring: idle, worker, device, worker, handler.
    (struct.set $idle $next (local.get $idle) (local.get $w1))
    (struct.set $worker $next (local.get $w1) (local.get $d))
    (struct.set $device $next (local.get $d) (local.get $w2))
    (struct.set $worker $next (local.get $w2) (local.get $h))
    (struct.set $handler $next (local.get $h) (local.get $idle))
    (struct.set $worker $peer (local.get $w1) (local.get $d))
    (struct.set $worker $peer (local.get $w2) (local.get $h))
    (struct.set $device $back (local.get $d) (local.get $w2))
    (struct.set $handler $first (local.get $h) (local.get $w1))
    (struct.set $handler $second (local.get $h) (local.get $d))
    (local.set $at (local.get $idle))
    (local.set $steps (i32.mul (local.get $scale) (i32.const 1000)))
    (loop $schedule
      (call $run_task (ref.as_non_null (local.get $at)))
      (local.set $at (struct.get $task $next (local.get $at)))
      (br_if $schedule (local.tee $steps (i32.sub (local.get $steps) (i32.const 1)))))
    ;; Counters, and what is left in the queues of those tasks that are workers.
    (local.set $at (local.get $idle))
    (loop $tally
      (local.set $sum
        (i32.add (i32.mul (local.get $sum) (i32.const 31)) (struct.get $task $count (local.get $at))))
      (if (ref.test (ref $worker) (local.get $at))
        (then
          (local.set $sum
            (i32.add (local.get $sum)
              (i32.xor (struct.get $worker $state (ref.cast (ref $worker) (local.get $at)))
                       (call $odd (struct.get $task $queue (local.get $at))))))))
      (local.set $at (struct.get $task $next (local.get $at)))
      (br_if $tally (i32.eqz (ref.eq (local.get $at) (local.get $idle)))))
    (local.get $sum)))
