(module
  (type (;0;) (sub (struct (field (mut i32)) (field (mut anyref)) (field (mut i8)))))
  (type (;1;) (sub 0 (struct (field (mut i32)) (field (mut anyref)) (field (mut i8)) (field (mut i64)) (field (mut i16)) (field (mut externref)) (field (mut f64)))))
  (type (;2;) (struct (field (mut eqref))))
  (type (;3;) (array (mut i8)))
  (type (;4;) (array (mut i16)))
  (type (;5;) (array (mut i32)))
  (type (;6;) (array (mut i64)))
  (type (;7;) (array (mut f32)))
  (type (;8;) (array (mut f64)))
  (type (;9;) (array (mut anyref)))
  (type (;10;) (func (result i32)))
  (type (;11;) (func (param f64 f64) (result i32)))
  (type (;12;) (func (param i32) (result i64)))
  (table (;0;) 4 8 anyref)
  (memory (;0;) 1 2)
  (global (;0;) (mut anyref) i32.const -1 ref.i31)
  (export "memory" (memory 0))
  (export "table" (table 0))
  (export "global" (global 0))
  (export "i32.shr_s 0" (func 0))
  (export "i32.eq 1" (func 1))
  (export "i32.le_s 2" (func 2))
  (export "f64.ge 3" (func 3))
  (export "i64.load 4" (func 4))
  (export "i64.load16_s 5" (func 5))
  (elem (;0;) anyref (item i32.const 5 ref.i31) (item (ref.null none)) (item (struct.new_default 1)))
  (func (;0;) (type 10) (result i32)
    i32.const -2147483648
    i32.const 7
    i32.shr_s)
  (func (;1;) (type 10) (result i32)
    i32.const -1
    i32.const 255
    i32.eq)
  (func (;2;) (type 10) (result i32)
    i32.const 255
    i32.const 65535
    i32.le_s)
  (func (;3;) (type 11) (param f64 f64) (result i32)
    local.get 0
    local.get 1
    f64.ge)
  (func (;4;) (type 12) (param i32) (result i64)
    local.get 0
    i64.load offset=8 align=2)
  (func (;5;) (type 12) (param i32) (result i64)
    local.get 0
    i64.load16_s offset=8)
  (data (;0;) (offset (i32.const 65504)) "<\b55\14+\b9\f9\0cY\cf\a6W\b1\d2I\c3\d6\85`w\9e\91\b6\bf\8b\8ap\e4\81\e6P\b9")
  (data (;1;) "<\b55\14+\b9\f9\0cY\cf\a6W\b1\d2I\c3\d6\85`w\9e\91\b6\bf\8b\8ap\e4\81\e6P\b9")
  (@custom "parallax.case" (after data) "{\"allocated_bytes\":1048576,\"call_depth\":200,\"claims_valid\":true,\"format\":1,\"fuel\":1000,\"max_calls\":64,\"memory_pages\":64,\"origin\":\"op seed 11 index 61\",\"plan\":[{\"do\":\"instantiate\"},{\"do\":\"call\",\"name\":\"i32.shr_s 0\"},{\"do\":\"call\",\"name\":\"i32.eq 1\"},{\"do\":\"call\",\"name\":\"i32.le_s 2\"},{\"args\":[[1,4751297606873776128,0],[1,4746794007244308480,0]],\"do\":\"call\",\"name\":\"f64.ge 3\"},{\"args\":[[1,9218868437227405313,0],[1,4602678819172646912,0]],\"do\":\"call\",\"name\":\"f64.ge 3\"},{\"args\":[[1,9223372036854775808,0],[1,1,0]],\"do\":\"call\",\"name\":\"f64.ge 3\"},{\"args\":[[1,14114281232179134464,0],[1,9218868437227405312,0]],\"do\":\"call\",\"name\":\"f64.ge 3\"},{\"args\":[[1,31,0]],\"do\":\"call\",\"name\":\"i64.load 4\"},{\"args\":[[1,1073741824,0]],\"do\":\"call\",\"name\":\"i64.load 4\"},{\"args\":[[1,2,0]],\"do\":\"call\",\"name\":\"i64.load 4\"},{\"args\":[[1,31,0]],\"do\":\"call\",\"name\":\"i64.load 4\"},{\"args\":[[1,128,0]],\"do\":\"call\",\"name\":\"i64.load16_s 5\"},{\"args\":[[1,32767,0]],\"do\":\"call\",\"name\":\"i64.load16_s 5\"},{\"args\":[[1,7,0]],\"do\":\"call\",\"name\":\"i64.load16_s 5\"},{\"args\":[[1,63,0]],\"do\":\"call\",\"name\":\"i64.load16_s 5\"}],\"table_elements\":10000}"))
