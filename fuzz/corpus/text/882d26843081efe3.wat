(module
  (rec
    (type (;0;) (array i64))
    (type (;1;) (func (result f32))))
  (rec
    (type (;2;) (array f64))
    (type (;3;) (sub (struct (field (ref null 4)))))
    (type (;4;) (sub 3 (struct (field (ref null 4)) (field (mut i8)) (field f32) (field i32) (field (mut i32)) (field (ref 1))))))
  (type (;5;) (func (result (ref 4) (ref none) (ref none) i32 nullref)))
  (type (;6;) (func (param i64)))
  (type (;7;) (func (param i32)))
  (type (;8;) (func (param f32)))
  (type (;9;) (func (param f64)))
  (type (;10;) (func (param anyref)))
  (type (;11;) (func (param funcref)))
  (type (;12;) (func (param externref)))
  (type (;13;) (func (param (ref 3) i32 (ref null 4) i32 f32 (ref null 4) f64) (result (ref 3))))
  (type (;14;) (func (result (ref null 4))))
  (type (;15;) (struct))
  (import "fuzzing-support" "throw" (func (;0;) (type 7) (param i32)))
  (import "fuzzing-support" "log-i32" (func (;1;) (type 7) (param i32)))
  (import "fuzzing-support" "log-i64" (func (;2;) (type 6) (param i64)))
  (import "fuzzing-support" "log-f32" (func (;3;) (type 8) (param f32)))
  (import "fuzzing-support" "log-f64" (func (;4;) (type 9) (param f64)))
  (import "fuzzing-support" "log-anyref" (func (;5;) (type 10) (param anyref)))
  (import "fuzzing-support" "log-funcref" (func (;6;) (type 11) (param funcref)))
  (import "fuzzing-support" "log-externref" (func (;7;) (type 12) (param externref)))
  (table (;0;) 4 4 funcref)
  (table (;1;) 5 exnref)
  (memory (;0;) 16 16)
  (tag (;0;) (type 6) (param i64))
  (global (;0;) (mut i32) (i32.const 2))
  (elem (;0;) (offset (i32.const 0)) func)
  (elem (;1;) declare func 8)
  (func (;8;) (type 1) (result f32)
    global.get 0
    i32.eqz
    if
      i32.const 2
      global.set 0
      unreachable
    end
    global.get 0
    i32.const 1
    i32.sub
    global.set 0
    unreachable)
  (func (;9;) (type 13) (param (ref 3) i32 (ref null 4) i32 f32 (ref null 4) f64) (result (ref 3))
    (local (ref null 1))
    (local f64 f64 f64 f64)
    (local i32)
    global.get 0
    i32.eqz
    if
      i32.const 2
      global.set 0
      unreachable
    end
    global.get 0
    i32.const 1
    i32.sub
    global.set 0
    local.get 2
    local.get 3
    local.get 4
    i32.const -17
    i32.const -8388608
    ref.func 8
    struct.new 4
    local.get 1
    local.get 4
    i32.const -115
    i32.const -65535
    ref.func 8
    struct.new 4
    i32.const -79
    local.get 4
    i32.const 524288
    local.get 3
    ref.func 8
    struct.new 4)
  (func (;10;) (type 14) (result (ref null 4))
    (local i64 i64 i64 i64 i64)
    (local f32 f32)
    (local i32)
    (local (ref struct))
    (local (ref 4) (ref 4))
    (local nullref)
    global.get 0
    i32.eqz
    if
      i32.const 2
      global.set 0
      unreachable
    end
    global.get 0
    i32.const 1
    i32.sub
    global.set 0
    block (result (ref 4))
      block (result i64)
        try_table (result (ref 4)) (catch 0 0)
          try_table (result (ref 4))
            block (result (ref 4))
              block (result i64)
                try_table (result (ref 4)) (catch 0 0)
                  ref.null none
                  ref.as_non_null
                  i32.const -89
                  f32.const -nan:0x7fff9d
                  i32.const -126
                  i32.const -7010549
                  ref.null nofunc
                  ref.as_non_null
                  struct.new 4
                  i32.const 198
                  f32.const -9.223372e+18
                  i32.const 65535
                  i32.const -65
                  ref.func 8
                  struct.new 4
                  i32.const -128
                  f32.const 67108864
                  i32.const 255
                  i32.const 2147483647
                  ref.func 8
                  struct.new 4
                  i32.const -115
                  f32.const -64
                  i32.const -254
                  i32.const -127
                  ref.func 8
                  struct.new 4
                  i32.const -255
                  f32.const -1099511627776
                  i32.const -65535
                  i32.const 8388607
                  ref.func 8
                  struct.new 4
                  i32.const 10777
                  f32.const -9.223372e+18
                  i32.const -68
                  i32.const 65535
                  ref.func 8
                  struct.new 4
                  i32.const 0
                  f32.const -3.4028235e+38
                  i32.const 127
                  i32.const 15922
                  ref.func 8
                  struct.new 4
                end
                br 1
              end
              local.set 4
              local.get 4
              local.set 0
              try_table (result nullref)
                ref.null none
                ref.cast (ref null none)
              end
              block (result i32)
                block (result i64)
                  try_table (result i32) (catch 0 0)
                    i32.const -125
                  end
                  br 1
                end
                local.set 4
                local.get 4
                local.set 1
                i32.const -129
              end
              local.get 6
              local.tee 5
              i32.const -8
              ref.i31
              i32.const -87
              ref.i31
              i32.const -32767
              select (result (ref i31))
              i31.get_s
              i32.const -262143
              ref.func 8
              struct.new 4
              drop
              block
                struct.new_default 15
                ref.is_null
                i32.const 15
                i32.and
                ref.null none
                ref.as_non_null
                ref.null none
                ref.as_non_null
                ref.eq
                i32.store8 offset=22
                ref.null none
                return
              end
              unreachable
            end
          end
        end
        br 1
      end
      local.set 4
      local.get 4
      local.set 3
      loop (result (ref 4))
        global.get 0
        i32.eqz
        if
          i32.const 2
          global.set 0
          unreachable
        end
        global.get 0
        i32.const 1
        i32.sub
        global.set 0
        block
          ref.func 8
          call 6
          block
            nop
            br 1
          end
          unreachable
        end
        loop (type 5) (result (ref 4) (ref none) (ref none) i32 nullref)
          global.get 0
          i32.eqz
          if
            i32.const 2
            global.set 0
            unreachable
          end
          global.get 0
          i32.const 1
          i32.sub
          global.set 0
          nop
          i32.const 8192
          i32.eqz
          br_if 0
          ref.null none
          ref.as_non_null
          local.get 7
          local.get 5
          i32.const 255
          i32.const 17
          ref.null nofunc
          ref.as_non_null
          struct.new 4
          local.get 7
          f32.const -0
          i32.const 251
          local.get 7
          ref.null nofunc
          ref.as_non_null
          struct.new 4
          local.get 7
          local.get 5
          local.get 7
          local.get 7
          ref.null nofunc
          ref.as_non_null
          struct.new 4
          i32.const -86
          f32.const -9.223372e+18
          i32.const -1
          local.get 7
          ref.null nofunc
          ref.as_non_null
          struct.new 4
          ref.null none
          ref.as_non_null
          ref.null none
          ref.as_non_null
          i32.const 1
          ref.null none
        end
        local.set 11
        drop
        drop
        drop
        drop
        local.get 11
        ref.null none
        ref.as_non_null
        ref.eq
        i32.const 15
        i32.and
        i32.load16_u offset=3 align=1
        i32.eqz
        br_if 0
        ref.null none
        ref.as_non_null
        local.tee 10
        local.tee 9
      end
    end)
  (data (;0;) "x\f9")
  (data (;1;) (offset (i32.const 0)) "\ed\de\ff")
  (data (;2;) (offset (i32.const 3)) "\87\a8")
  (@custom "binaryen.js.called" (after datacount) "\01\09\01\00\00")
  (@custom "parallax.case" (after data) "{\"allocated_bytes\":4194304,\"call_depth\":200,\"claims_valid\":true,\"format\":1,\"fuel\":20000,\"max_calls\":64,\"memory_pages\":64,\"origin\":\"binaryen seed 11 index 109\",\"table_elements\":10000}"))
