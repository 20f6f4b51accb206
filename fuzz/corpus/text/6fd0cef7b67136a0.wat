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
  (type (;10;) (func (result anyref)))
  (type (;11;) (func (param anyref) (result anyref)))
  (type (;12;) (func (param i32) (result i32)))
  (table (;0;) 4 8 anyref)
  (memory (;0;) 1 2)
  (global (;0;) (mut anyref) i32.const -1 ref.i31)
  (export "memory" (memory 0))
  (export "table" (table 0))
  (export "global" (global 0))
  (export "struct.new 0" (func 0))
  (export "ref.cast 1" (func 1))
  (export "any.convert_extern 2" (func 2))
  (export "ref.cast null 3" (func 3))
  (export "array.get_s 4" (func 4))
  (export "array.len 5" (func 5))
  (elem (;0;) anyref (item i32.const 5 ref.i31) (item (ref.null none)) (item (struct.new_default 1)))
  (func (;0;) (type 10) (result anyref)
    i32.const 64
    i32.const 9
    ref.i31
    i32.const 0
    struct.new 0)
  (func (;1;) (type 10) (result anyref)
    global.get 0
    ref.cast (ref struct))
  (func (;2;) (type 10) (result anyref)
    struct.new_default 1
    i32.const 2147483647
    struct.set 1 4
    i32.const 3
    array.new_default 3
    extern.convert_any
    any.convert_extern)
  (func (;3;) (type 11) (param anyref) (result anyref)
    local.get 0
    ref.cast (ref null none))
  (func (;4;) (type 12) (param i32) (result i32)
    local.get 0
    i32.const 4
    array.new 4
    i32.const 3
    array.get_s 4)
  (func (;5;) (type 12) (param i32) (result i32)
    local.get 0
    i32.const 4
    array.new 4
    array.len)
  (data (;0;) (offset (i32.const 65504)) "\df\cd\91md\87\c1y0\ea\d8Wu\c6\ac#\b2\e0r\c93\8a|\c6|\89\d3\87hI\eb\9f")
  (data (;1;) "\df\cd\91md\87\c1y0\ea\d8Wu\c6\ac#\b2\e0r\c93\8a|\c6|\89\d3\87hI\eb\9f")
  (@custom "parallax.case" (after data) "{\"allocated_bytes\":1048576,\"call_depth\":200,\"format\":1,\"fuel\":1000,\"max_calls\":64,\"memory_pages\":64,\"origin\":\"mutated op seed 11 index 1\",\"plan\":[{\"do\":\"instantiate\"},{\"do\":\"call\",\"name\":\"struct.new 0\"},{\"do\":\"call\",\"name\":\"ref.cast 1\"},{\"do\":\"call\",\"name\":\"ref.cast 1\"},{\"do\":\"call\",\"name\":\"ref.cast 1\"},{\"do\":\"call\",\"name\":\"ref.cast 1\"},{\"do\":\"call\",\"name\":\"any.convert_extern 2\"},{\"do\":\"call\",\"name\":\"any.convert_extern 2\"},{\"do\":\"call\",\"name\":\"any.convert_extern 2\"},{\"do\":\"call\",\"name\":\"any.convert_extern 2\"},{\"args\":[[2,0,0]],\"do\":\"call\",\"name\":\"ref.cast null 3\"},{\"args\":[[1,128,0]],\"do\":\"call\",\"name\":\"array.get_s 4\"},{\"args\":[[1,4294967295,0]],\"do\":\"call\",\"name\":\"array.get_s 4\"},{\"args\":[[1,2,0]],\"do\":\"call\",\"name\":\"array.get_s 4\"},{\"args\":[[1,0,0]],\"do\":\"call\",\"name\":\"array.get_s 4\"},{\"args\":[[1,2147483648,0]],\"do\":\"call\",\"name\":\"array.len 5\"},{\"args\":[[1,4294967295,0]],\"do\":\"call\",\"name\":\"array.len 5\"},{\"args\":[[1,4294967295,0]],\"do\":\"call\",\"name\":\"array.len 5\"},{\"args\":[[1,31,0]],\"do\":\"call\",\"name\":\"array.len 5\"}],\"table_elements\":10000}"))
