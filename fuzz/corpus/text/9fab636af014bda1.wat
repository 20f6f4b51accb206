(module
  (type (;0;) (sub (struct (field (mut structref)) (field (ref null 0)))))
  (type (;1;) (sub (struct (field (mut (ref 0))) (field (mut f64)) (field i32))))
  (type (;2;) (sub (struct (field (mut i31ref)) (field (mut f32)) (field (mut i16)))))
  (type (;3;) (struct))
  (type (;4;) (func))
  (type (;5;) (func (param i32)))
  (type (;6;) (func (result (ref null 1) (ref null 2))))
  (type (;7;) (func (param (ref null 1) (ref null 2))))
  (type (;8;) (func (param i32) (result funcref)))
  (type (;9;) (func (param i32 funcref)))
  (type (;10;) (func (param i64)))
  (type (;11;) (func (param f32)))
  (type (;12;) (func (param f64)))
  (type (;13;) (func (param anyref)))
  (type (;14;) (func (param funcref)))
  (type (;15;) (func (param externref)))
  (type (;16;) (func (param i32) (result i32)))
  (type (;17;) (func (param f64 anyref f32 i32) (result f64)))
  (type (;18;) (func (param (ref null 0) (ref 1)) (result f32)))
  (import "fuzzing-support" "throw" (func (;0;) (type 5) (param i32)))
  (import "fuzzing-support" "table-get" (func (;1;) (type 8) (param i32) (result funcref)))
  (import "fuzzing-support" "table-set" (func (;2;) (type 9) (param i32 funcref)))
  (import "fuzzing-support" "log-i32" (func (;3;) (type 5) (param i32)))
  (import "fuzzing-support" "log-i64" (func (;4;) (type 10) (param i64)))
  (import "fuzzing-support" "log-f32" (func (;5;) (type 11) (param f32)))
  (import "fuzzing-support" "log-f64" (func (;6;) (type 12) (param f64)))
  (import "fuzzing-support" "log-anyref" (func (;7;) (type 13) (param anyref)))
  (import "fuzzing-support" "log-funcref" (func (;8;) (type 14) (param funcref)))
  (import "fuzzing-support" "log-externref" (func (;9;) (type 15) (param externref)))
  (import "fuzzing-support" "call-export-catch" (func (;10;) (type 16) (param i32) (result i32)))
  (table (;0;) 6 funcref)
  (table (;1;) 1 exnref)
  (memory (;0;) 16 16)
  (tag (;0;) (type 4))
  (tag (;1;) (type 7) (param (ref null 1) (ref null 2)))
  (global (;0;) (mut i32) (i32.const 100))
  (export "tag$" (tag 0))
  (export "tag$_1" (tag 1))
  (export "table" (table 0))
  (export "func" (func 11))
  (export "func_12_invoker" (func 13))
  (export "~global0" (global 0))
  (export "~table1" (table 1))
  (export "~memory0" (memory 0))
  (export "~func0" (func 0))
  (export "~func1" (func 1))
  (export "~func2" (func 2))
  (export "~func3" (func 3))
  (export "~func4" (func 4))
  (export "~func5" (func 5))
  (export "~func6" (func 6))
  (export "~func7" (func 7))
  (export "~func8" (func 8))
  (export "~func9" (func 9))
  (export "~func10" (func 10))
  (export "~func12" (func 12))
  (elem (;0;) (offset (i32.const 0)) func 11 12 12 12 12)
  (func (;11;) (type 17) (param f64 anyref f32 i32) (result f64)
    (local (ref 0))
    (local eqref)
    (local (ref null 1))
    (local f32)
    (local i32 i32)
    (local i64)
    (local f64)
    global.get 0
    i32.eqz
    if
      i32.const 100
      global.set 0
      unreachable
    end
    global.get 0
    i32.const 1
    i32.sub
    global.set 0
    block
      nop
      local.get 0
      return
    end
    unreachable)
  (func (;12;) (type 18) (param (ref null 0) (ref 1)) (result f32)
    global.get 0
    i32.eqz
    if
      i32.const 100
      global.set 0
      unreachable
    end
    global.get 0
    i32.const 1
    i32.sub
    global.set 0
    f32.const 6.529637e-07)
  (func (;13;) (type 4)
    (local (ref 1) (ref 1))
    (local (ref 0))
    (local (ref null 1) (ref null 1) (ref null 1))
    (local (ref null 2) (ref null 2) (ref null 2))
    (local exnref)
    (local (ref struct))
    (local (ref null 0))
    (local i32)
    global.get 0
    i32.eqz
    if
      i32.const 100
      global.set 0
      unreachable
    end
    global.get 0
    i32.const 1
    i32.sub
    global.set 0
    struct.new_default 3
    struct.new_default 3
    ref.null none
    struct.new 0
    local.tee 2
    f64.const 178
    loop (result (ref none))
      global.get 0
      i32.eqz
      if
        i32.const 100
        global.set 0
        unreachable
      end
      global.get 0
      i32.const 1
      i32.sub
      global.set 0
      block
        nop
        block (result (ref 0))
          block
            block
              block (type 6) (result (ref null 1) (ref null 2))
                try_table (result (ref 0)) (catch 1 0) (catch 0 1) (catch_all 2)
                  local.get 2
                end
                br 3
              end
              local.set 8
              local.set 5
              local.get 5
              local.get 8
              local.set 6
              local.set 3
              block (result (ref 0))
                block
                  try_table (result (ref 0)) (catch_all 0)
                    local.get 2
                  end
                  br 1
                end
                local.get 2
              end
              br 2
            end
            local.get 2
            br 1
          end
          try_table (result (ref 0)) (catch_all 1)
            ref.null none
            ref.as_non_null
            local.tee 1
            struct.get 1 0
          end
        end
        ref.cast (ref 0)
        br_on_null 1
        drop
      end
      i32.const -513
      i32.eqz
      br_if 0
      ref.null none
      br_on_null 0
    end
    struct.new_default 0
    f64.const -nan:0xfffffffffff86
    i32.const -7519968
    struct.new 1
    struct.get 1 0
    ref.eq
    struct.new 1
    local.tee 0
    struct.get 1 2
    i32.eqz
    if (result (ref null 0))
      block
        block
          block
            block (type 6) (result (ref null 1) (ref null 2))
              try_table (catch 1 0) (catch 0 1) (catch_all 2)
                ref.null none
                call 7
              end
              br 3
            end
            local.set 8
            local.set 5
            local.get 5
            local.get 8
            local.set 7
            local.set 4
            nop
            br 2
          end
          ref.null none
          f32.const -1.7592186e+13
          i32.const 184
          struct.new 2
          struct.new_default 0
          struct.new 0
          f64.const -nan:0xfffffffffe318
          i32.const 20606537
          struct.new 1
          struct.new_default 3
          struct.new_default 0
          struct.new 0
          struct.set 1 0
          br 1
        end
        nop
      end
      return
    else
      block (result (ref null 0))
        i32.const -16075
        drop
        struct.new_default 3
        struct.new_default 0
        struct.new 0
        local.tee 2
        br_on_non_null 0
        ref.null none
        ref.is_null
        i32.eqz
        if (result (ref null 0))
          i32.const 0
          local.get 9
          table.set 1
          local.get 2
          struct.get 0 1
        else
          local.get 2
        end
        ref.cast (ref 0)
        br_on_cast 0 (ref 0) (ref 0)
        drop
        local.get 0
        drop
        try_table
          loop
            global.get 0
            i32.eqz
            if
              i32.const 100
              global.set 0
              unreachable
            end
            global.get 0
            i32.const 1
            i32.sub
            global.set 0
            block
              nop
              br 1
            end
            unreachable
          end
          unreachable
        end
        unreachable
      end
    end
    struct.new 0
    local.get 0
    call 12
    drop)
  (data (;0;) (offset (i32.const 0)) "D\c3\b5\00\e4\85\ec\e6C\c9\11Z\a46\be\88E\da\ab\d2")
  (data (;1;) "Sj\b9\01\01\c8\b2\d9k\14\15\10ui!\e57\e9Zt\aascdR\01")
  (data (;2;) (offset (i32.const 20)) "xFfI`\01\bfgw\da\98N\fc\8bqF\dfD")
  (data (;3;) (offset (i32.const 38)) "!\8f\\\a1\81\f8\ca\04\9d\d83\9f\b1\85\86\94\82q\88\17\d0")
  (data (;4;) (offset (i32.const 59)) "\81\8cv\1aW\16\8f \1b\b8\0e\a7\c7")
  (data (;5;) (offset (i32.const 72)) "\e5\ecH\94\88")
  (@custom "parallax.case" (after data) "{\"allocated_bytes\":4194304,\"call_depth\":200,\"claims_valid\":true,\"format\":1,\"fuel\":20000,\"max_calls\":64,\"memory_pages\":64,\"origin\":\"binaryen seed 11 index 45\",\"table_elements\":10000}"))
