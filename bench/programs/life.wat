;; The game of life on packed arrays: i8 cells, i16 row sums, bounds checks at every access.
;; Scale: generations on a torus of 64 x 64; answers a checksum of the board.
(module
  (type $cells (array (mut i8)))
  (type $sums (array (mut i16)))
  (func $cell (param $board (ref $cells)) (param $x i32) (param $y i32) (result i32)
    (array.get_u $cells (local.get $board)
      (i32.or (i32.shl (i32.and (local.get $y) (i32.const 63)) (i32.const 6))
              (i32.and (local.get $x) (i32.const 63)))))
  ;; For every cell the sum of itself and its neighbours left and right.
  (func $row_sums (param $board (ref $cells)) (param $sums (ref $sums))
    (local $x i32) (local $y i32)
    (loop $rows
      (local.set $x (i32.const 0))
      (loop $columns
        (array.set $sums (local.get $sums) (i32.or (i32.shl (local.get $y) (i32.const 6)) (local.get $x))
          (i32.add
            (i32.add
              (call $cell (local.get $board) (i32.sub (local.get $x) (i32.const 1)) (local.get $y))
              (call $cell (local.get $board) (local.get $x) (local.get $y)))
            (call $cell (local.get $board) (i32.add (local.get $x) (i32.const 1)) (local.get $y))))
        (br_if $columns (i32.lt_u (local.tee $x (i32.add (local.get $x) (i32.const 1))) (i32.const 64))))
      (br_if $rows (i32.lt_u (local.tee $y (i32.add (local.get $y) (i32.const 1))) (i32.const 64)))))
  (func $generation (param $board (ref $cells)) (param $sums (ref $sums)) (param $next (ref $cells))
    (local $i i32) (local $n i32)
    (call $row_sums (local.get $board) (local.get $sums))
    (loop $each
      (local.set $n
        (i32.add
          (i32.add
            (array.get_u $sums (local.get $sums) (i32.and (i32.sub (local.get $i) (i32.const 64)) (i32.const 4095)))
            (array.get_u $sums (local.get $sums) (local.get $i)))
          (array.get_u $sums (local.get $sums) (i32.and (i32.add (local.get $i) (i32.const 64)) (i32.const 4095)))))
      ;; Alive next: three in the 3 x 3 square, or four of which the middle one is alive.
      (array.set $cells (local.get $next) (local.get $i)
        (i32.or
          (i32.eq (local.get $n) (i32.const 3))
          (i32.and (i32.eq (local.get $n) (i32.const 4)) (array.get_u $cells (local.get $board) (local.get $i)))))
      (br_if $each (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 4096)))))
  (func (export "run") (param $scale i32) (result i32)
    (local $board (ref $cells)) (local $next (ref $cells)) (local $swap (ref $cells)) (local $sums (ref $sums))
    (local $i i32) (local $hash i32)
    (local.set $board (array.new_default $cells (i32.const 4096)))
    (local.set $next (array.new_default $cells (i32.const 4096)))
    (local.set $sums (array.new_default $sums (i32.const 4096)))
    (loop $fill
      (array.set $cells (local.get $board) (local.get $i)
        (i32.eqz (i32.and (i32.mul (i32.add (local.get $i) (i32.const 13)) (i32.const 0x9e3779b1)) (i32.const 0x60000))))
      (br_if $fill (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 4096))))
    (loop $generations
      (call $generation (local.get $board) (local.get $sums) (local.get $next))
      (local.set $swap (local.get $board))
      (local.set $board (local.get $next))
      (local.set $next (local.get $swap))
      (br_if $generations (local.tee $scale (i32.sub (local.get $scale) (i32.const 1)))))
    (local.set $i (i32.const 0))
    (loop $digest
      (local.set $hash
        (i32.add (i32.mul (local.get $hash) (i32.const 33)) (array.get_u $cells (local.get $board) (local.get $i))))
      (br_if $digest (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 4096))))
    (local.get $hash)))
