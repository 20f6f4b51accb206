// The embedder of external engines: reads one case a line, runs it, answers with one line of tokens.
//
// Runs in any JavaScript shell with WebAssembly 3.0 and some way to read lines. It does what fuzz/oracle does through
// wasm::Embedding (observe.cc, hosts.cc, graph.cc), with the same numbers of tokens, which the first line brings. A test
// case that is a file of its own (fuzz/oracle/js_file.h) brings its lines, too: `parallaxShell`.
"use strict";

// --- The shell's input and output ----------------------------------------------------------------------------------------

const shell = globalThis.parallaxShell ?? (() => {
  if (typeof require === "function" || typeof process === "object") {
    const fs = typeof require === "function" ? require("fs") : process.getBuiltinModule("fs");
    let rest = [];
    const chunk = new Uint8Array(1 << 16);
    const decoder = new TextDecoder();
    const readLine = () => {
      for (;;) {
        let size = 0;
        try {
          size = fs.readSync(0, chunk, 0, chunk.length, null);
        } catch (error) {
          if (error.code === "EAGAIN" || error.code === "EINTR") continue;
          if (error.code !== "EOF") throw error;
        }
        if (size === 0) return null;
        const end = chunk.subarray(0, size).indexOf(10);
        rest.push(chunk.slice(0, end < 0 ? size : end));
        if (end < 0) continue;
        const line = rest.map((part) => decoder.decode(part, { stream: true })).join("") + decoder.decode();
        rest = [];
        return line;  // one line is answered before the next is sent, so nothing follows it
      }
    };
    const writeLine = (line) => {
      let bytes = new TextEncoder().encode(line + "\n");
      while (bytes.length > 0) {
        try {
          bytes = bytes.subarray(fs.writeSync(1, bytes));
        } catch (error) {
          if (error.code !== "EAGAIN") throw error;
        }
      }
    };
    const collect = typeof Bun === "object" ? () => Bun.gc(true) : typeof gc === "function" ? () => gc() : () => {};
    return { readLine, writeLine, collect };
  }
  return { readLine: () => readline(), writeLine: (line) => print(line), collect: () => gc() };
})();

const kBase64 = new Map([..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"].map((c, i) => [c, i]));
const kBase64Letters = [...kBase64.keys()];

function fromBase64(text) {
  const clean = text.replace(/=+$/, "");
  const out = new Uint8Array((clean.length * 3) >> 2);
  let bits = 0, held = 0, at = 0;
  for (const c of clean) {
    held = (held << 6) | kBase64.get(c);
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    out[at++] = (held >> bits) & 0xff;
  }
  return out;
}

function toBase64(bytes) {
  let out = "";
  for (let i = 0; i < bytes.length; i += 3) {
    const word = (bytes[i] << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    const letters = Math.min(3, bytes.length - i) + 1;
    for (let k = 0; k < letters; ++k) out += kBase64Letters[(word >> (18 - 6 * k)) & 63];
  }
  return out;
}

// --- Numbers -----------------------------------------------------------------------------------------------------------

const scratch = new DataView(new ArrayBuffer(8));
const f32Bits = (x) => (scratch.setFloat32(0, x), scratch.getUint32(0));
const f64Bits = (x) => (scratch.setFloat64(0, x), scratch.getBigUint64(0));
const f32Of = (bits) => (scratch.setUint32(0, Number(bits)), scratch.getFloat32(0));
const f64Of = (bits) => (scratch.setBigUint64(0, BigInt(bits)), scratch.getFloat64(0));

// What JavaScript cannot know or do: ends the case without a judgement. Programs may catch it, so it is remembered.
let doomed = null;
class Unknown extends Error {
  constructor(message) {
    super(message);
    doomed ??= message;
  }
}

// A host value: an object that no engine takes for anything else.
class Host {
  constructor(value) {
    this.value = value;
  }
}

const kMaxTokens = 400000;
let numbers;  // of tokens, outcomes, traps, kinds of references

// --- One case ------------------------------------------------------------------------------------------------------------

class Run {
  constructor(subject) {
    this.subject = subject;
    this.types = new Map(subject.types.map((type) => [type.id, type]));
    this.out = [];
    this.chunks = [];
    this.instances = [];
    this.kept = [];
    this.funcLabels = new Map();
    this.tagLabels = [];
    this.nextHostFunc = 0;
    this.instantiating = 0;
    this.hosts = new Map();
  }

  put(token, aux = 0, value = 0) {
    if (this.out.length > 3 * kMaxTokens) throw new Unknown("too many tokens");
    this.out.push(numbers.tokens[token], aux, typeof value === "bigint" ? BigInt.asUintN(64, value).toString() : value);
  }

  all() {
    let inconclusive = null;
    let conclusive = 0;
    doomed = null;
    try {
      this.makeTags();
      this.subject.plan.forEach((step, i) => {
        conclusive = this.out.length / 3;
        this.put("kStep", 0, i);
        this.step(step);
        if (doomed !== null) throw new Unknown(doomed);
      });
      this.out.push(-1, 0, 0);  // the end of the steps
      this.finalState();
      conclusive = this.out.length / 3;
    } catch (error) {
      if (doomed === null) throw error;
      inconclusive = doomed;
    }
    return { tokens: this.out, chunks: this.chunks, inconclusive, conclusive };
  }

  step(step) {
    switch (step.kind) {
      case "instantiate": return this.instantiate(step);
      case "call": return this.call(step);
      case "set-global": return this.setGlobal(step);
      case "release": return this.release(step);
      case "drop-instance": return this.drop(step);
      case "collect": return shell.collect();
    }
    throw new Unknown(`step ${step.kind}`);
  }

  instance(number) {
    const found = this.instances[number];
    return found && found.exports && !found.dropped ? found : null;
  }

  // --- Values ---------------------------------------------------------------------------------------------------------

  // Module and type of a struct, array or function; null when no probe knows it.
  typeOf(value, probe) {
    let best = null;
    for (const instance of this.instances) {
      if (!instance.exports) continue;
      const index = instance.exports[`parallax:${probe}`](value);
      if (index < 0) continue;
      const type = this.types.get(instance.module.types[index]);
      if (best === null || type.ancestors.length > best.type.ancestors.length) best = { instance, index, type };
    }
    return best;
  }

  kindOf(value) {
    if (value === null) return "null";
    if (typeof value === "number") return "i31";
    if (value instanceof Host) return "host";
    if (typeof value === "function") return "func";
    if (typeof value === "object") return "object";
    throw new Unknown(`a value of type ${typeof value}`);
  }

  // `type`: as in the modules' descriptions; a string for numbers, an object for references.
  putNumber(type, value) {
    switch (type) {
      case "i32": return this.put("kI32", 0, value >>> 0);
      case "i64": return this.put("kI64", 0, value);
      case "f32": return this.put("kF32", 0, f32Bits(value));
      case "f64": return this.put("kF64", 0, f64Bits(value));
    }
    throw new Unknown(`a value of type ${type}`);
  }

  putPlain(value) {
    switch (this.kindOf(value)) {
      case "null": this.put("kNull"); return true;
      case "i31": this.put("kI31", 0, value & 0x7fffffff); return true;
      case "host": this.put("kHost", 0, BigInt(value.value)); return true;
      case "func": return this.putFunc(value);
    }
    return false;
  }

  putFunc(value) {
    const label = this.funcLabels.get(value);
    if (label === undefined) return false;
    if (label.host !== undefined) this.put("kHostFunc", 0, label.host);
    else this.put("kFunc", label.instance, label.number);
    return true;
  }

  putShallow(type, value) {
    if (typeof type === "string") return this.putNumber(type, value);
    if (this.putPlain(value)) return;
    // Functions get their labels when their instance is there.
    if (this.instantiating > 0) throw new Unknown("an object during instantiation");
    const { kind, id } = this.describe(value);
    this.put("kShallow", numbers.refs[kind], id);
  }

  describe(value) {
    const isFunc = typeof value === "function";
    const found = this.typeOf(value, isFunc ? "functype" : "type");
    if (found === null) throw new Unknown("an object of unknown type");
    return { kind: isFunc ? "func" : found.type.kind, id: found.type.id, found };
  }

  // --- Outcomes -------------------------------------------------------------------------------------------------------

  makeTags() {
    this.wasmTag = new WebAssembly.Tag({ parameters: ["i32"] });
    this.jsTag = new WebAssembly.Tag({ parameters: ["externref"] });
    this.tagLabels.push({ tag: this.wasmTag, label: 1n, params: ["i32"] });
    this.tagLabels.push({ tag: this.jsTag, label: 2n, params: [{ heap: "extern", nullable: true }] });
  }

  jsException() {
    return new WebAssembly.Exception(this.jsTag, [new Host("2989")]);
  }

  // Runs `action`, which gives the list of results; writes the outcome. Gives the references among the results, or
  // among what was thrown.
  outcome(types, action) {
    let results;
    try {
      results = action();
    } catch (error) {
      return this.putFailure(error);
    }
    this.put("kOutcome", 0, numbers.outcomes.returned);
    return this.putValues(types, results);
  }

  putValues(types, values) {
    this.put("kValues", 0, values.length);
    values.forEach((value, i) => this.putShallow(types[i], value));
    return values.filter((value, i) => typeof types[i] !== "string" && value !== null);
  }

  putFailure(error) {
    if (error instanceof Unknown) throw error;
    if (error instanceof WebAssembly.Exception) return this.putThrown(error);
    const message = String(error && error.message);
    if (/call stack|recursion|stack overflow|stack exhausted/i.test(message)) throw new Unknown("stack exhausted");
    if (/out of memory|allocation fail|memory allocation|array buffer alloc/i.test(message)) {
      throw new Unknown("out of memory");
    }
    if (/too large|size exceeds|allocation size/i.test(message)) throw new Unknown("allocation limit");
    if (error instanceof WebAssembly.RuntimeError) {
      this.put("kOutcome", 0, numbers.outcomes.trapped);
      this.put("kTrap", 0, trapOf(message));
      return [];
    }
    throw new Unknown(`${error && error.name}: ${message}`);
  }

  putThrown(error) {
    const known = this.tagLabels.find((entry) => error.is(entry.tag));
    if (known === undefined) throw new Unknown("an exception of an unknown tag");
    this.put("kOutcome", 0, numbers.outcomes.threw);
    this.put("kThrown");
    this.put("kExnTag", 0, known.label);
    return this.putValues(known.params, known.params.map((_, i) => error.getArg(known.tag, i)));
  }

  // --- Imports --------------------------------------------------------------------------------------------------------

  defaultOf(type) {
    if (type === "i64") return 0n;
    if (typeof type === "string") return 0;
    return null;
  }

  canDefault(types) {
    return types.every((type) => typeof type === "string" || type.nullable);
  }

  makeImport(step, number, item, index) {
    for (const link of [...step.links].reverse()) {
      const from = this.instance(link);
      const offered = from && from.module.exports.find((e) => e.name === item.name);
      if (offered && offered.kind === item.kind) return from.exports[item.name];
    }
    switch (item.kind) {
      case "func": return this.makeHostFunc(number, item, index);
      case "tag": return this.makeTag(number, item, index);
      case "global": {
        if (typeof item.type === "string") {
          return new WebAssembly.Global({ value: item.type, mutable: item.mutable }, this.defaultOf(item.type));
        }
        if (item.type.heap === "extern" && item.type.nullable) {
          return new WebAssembly.Global({ value: "externref", mutable: item.mutable }, new Host(this.payload(item)));
        }
        if (item.type.heap === "func" && item.type.nullable) {
          return new WebAssembly.Global({ value: "anyfunc", mutable: item.mutable }, null);
        }
        throw new Unknown("an imported global of a typed reference");
      }
      case "table": {
        const element = { func: "anyfunc", extern: "externref" }[item.type.heap];
        if (element === undefined || !item.type.nullable) throw new Unknown("an imported table of typed references");
        return new WebAssembly.Table(this.limits(item, { element }));
      }
      case "memory": return new WebAssembly.Memory(this.limits(item, {}));
    }
    throw new Unknown(`an imported ${item.kind}`);
  }

  limits(item, descriptor) {
    const number = (text) => (item.is64 ? BigInt(text) : Number(text));
    descriptor.initial = number(item.min);
    if (item.max !== undefined) descriptor.maximum = number(item.max);
    if (item.is64) descriptor.address = "i64";
    return descriptor;
  }

  payload(item) {
    let payload = 0;
    for (const letter of unescape(encodeURIComponent(item.module + item.name))) {
      const c = letter.charCodeAt(0);
      payload = ((payload + (c > 127 ? c - 256 : c)) >>> 0) % 251;
    }
    return String(payload);
  }

  makeTag(number, item, index) {
    if (item.module === "fuzzing-support" && item.name === "wasmtag") return this.wasmTag;
    if (item.module === "fuzzing-support" && item.name === "jstag") return this.jsTag;
    const params = this.types.get(item.type).params;
    const name = (type) => {
      if (typeof type === "string") return type;
      if (type.nullable && type.heap === "extern") return "externref";
      if (type.nullable && type.heap === "func") return "anyfunc";
      throw new Unknown("an imported tag with a typed reference");
    };
    const tag = new WebAssembly.Tag({ parameters: params.map(name) });
    this.tagLabels.push({ tag, label: this.exportLabel(number, index) | 0x80000000n, params });
    return tag;
  }

  exportLabel(instance, number) {
    return (BigInt(instance) + 1n) << 32n | BigInt(number);
  }

  makeHostFunc(number, item, index) {
    const type = this.types.get(item.type);
    const host = this.nextHostFunc++;
    const func = (...args) => {
      this.put("kHostCall", number, index);
      type.params.forEach((param, i) => this.putShallow(param, args[i]));
      return this.answer(item, type, number, args);
    };
    this.hosts.set(`${number}:${index}`, host);
    return func;
  }

  answer(item, type, number, args) {
    const name = `${item.module}.${item.name}/${args.length}`;
    switch (name) {
      case "fuzzing-support.throw/1":
        if (args[0] === 0) throw this.jsException();
        throw new WebAssembly.Exception(this.wasmTag, [args[0]]);
      case "fuzzing-support.table-get/1":
      case "fuzzing-support.table-set/2": return this.tableAccess(number, args);
      case "fuzzing-support.call-export/2": this.callExport(number, args[0]); return undefined;
      case "fuzzing-support.call-export-catch/1": return this.caught(() => this.callExport(number, args[0]));
      case "fuzzing-support.call-ref/2": this.callRef(args[0]); return undefined;
      case "fuzzing-support.call-ref-catch/1": return this.caught(() => this.callRef(args[0]));
      case "fuzzing-support.sleep/2": return args[1];
    }
    if (item.module === "parallax" && item.name === "collect") shell.collect();
    if (item.module === "parallax" && item.name === "echo" && args.length === type.results.length) {
      shell.collect();
      const values = args.reverse();
      return values.length === 1 ? values[0] : values.length === 0 ? undefined : values;
    }
    if (!this.canDefault(type.results)) throw new Unknown("a trap of the host");
    const values = type.results.map((result) => this.defaultOf(result));
    return values.length === 0 ? undefined : values.length === 1 ? values[0] : values;
  }

  tableAccess(number, args) {
    const of = this.published(number);
    const table = of && of.exports["table"];
    const index = args[0] >>> 0;
    if (!(table instanceof WebAssembly.Table) || index >= Number(table.length)) throw this.jsException();
    const at = typeof table.length === "bigint" ? BigInt(index) : index;
    if (args.length === 1) return table.get(at);
    table.set(at, args[1]);
    return undefined;
  }

  published(number) {
    const found = this.instances[number];
    return found && found.published ? found : null;
  }

  callExport(number, index) {
    const of = this.published(number);
    const item = of && of.module.exports[index >>> 0];
    if (!item || item.kind !== "func") throw this.jsException();
    this.callAsJs(of.exports[item.name], this.types.get(item.type));
  }

  callRef(func) {
    if (func === null) throw this.jsException();
    const found = this.typeOf(func, "functype");
    if (found === null) throw new Unknown("a function of unknown type");
    this.callAsJs(func, found.type);
  }

  callAsJs(func, type) {
    const crosses = (t) => t !== "v128" && t.heap !== "exn" && t.heap !== "noexn";
    if (type.params.some((t) => t === "i64" || !crosses(t)) || !this.canDefault(type.params)) throw this.jsException();
    if (!type.results.every(crosses)) throw this.jsException();
    try {
      func(...type.params.map((t) => this.defaultOf(t)));
    } catch (error) {
      // A trap that came through a frame of JavaScript may be caught in some engines, in others not.
      if (!(error instanceof WebAssembly.Exception)) throw new Unknown("a trap through the host");
      throw error;
    }
  }

  caught(action) {
    try {
      action();
      return 0;
    } catch (error) {
      if (error instanceof WebAssembly.Exception) return 1;
      throw error;
    }
  }

  // --- Steps ----------------------------------------------------------------------------------------------------------

  instantiate(step) {
    const number = this.instances.length;
    const entry = { module: null, exports: null, published: false, dropped: false };
    this.instances.push(entry);
    const module = this.subject.modules[step.module];
    if (!module) return this.put("kSkipped");
    const imports = { i: {} };
    module.imports.forEach((item, i) => (imports.i[i] = this.makeImport(step, number, item, i)));
    entry.module = module;
    ++this.instantiating;
    let instance;
    try {
      instance = new WebAssembly.Instance(this.compiled(step.module), imports);
    } catch (error) {
      if (error instanceof WebAssembly.CompileError) return this.refused("rejected", error);
      if (error instanceof WebAssembly.LinkError) return this.refused("unlinkable", error);
      return this.putFailure(error);
    } finally {
      --this.instantiating;
    }
    entry.exports = instance.exports;
    this.put("kOutcome", 0, numbers.outcomes.returned);
    this.put("kValues", 0, 0);
    this.publish(number, entry);
  }

  compiled(number) {
    const module = this.subject.modules[number];
    module.compiled ??= new WebAssembly.Module(fromBase64(module.wasm));
    return module.compiled;
  }

  refused(outcome, error) {
    if (/maximum|limit|too (large|big|many)|exceed|out of memory|not enabled|enable/i.test(error.message)) {
      throw new Unknown(`a limit of the engine: ${error.message}`);
    }
    this.message = error.message;
    this.put("kOutcome", 0, numbers.outcomes[outcome]);
  }

  publish(number, entry) {
    entry.published = true;
    const label = (func, what) => {
      if (!this.funcLabels.has(func)) this.funcLabels.set(func, what);
    };
    entry.module.imports.forEach((item, i) => {
      const host = this.hosts.get(`${number}:${i}`);
      if (host !== undefined) label(entry.exports[`parallax:i:${item.index}`], { host });
    });
    entry.module.exports.forEach((item, i) => {
      const value = entry.exports[item.name];
      if (item.kind === "func") label(value, { instance: number, number: i });
      if (item.kind !== "tag" || this.tagLabels.some((known) => known.tag === value)) return;
      this.tagLabels.push({ tag: value, label: this.exportLabel(number, i), params: this.types.get(item.type).params });
    });
  }

  call(step) {
    const kept = this.kept.length;
    if (step.keep) this.kept.push([]);
    const of = this.instance(step.instance);
    const item = of && of.module.exports.find((e) => e.name === step.name);
    if (!item || item.kind !== "func") return this.put("kSkipped");
    const type = this.types.get(item.type);
    const args = [];
    for (let i = 0; i < type.params.length; ++i) {
      const arg = this.argument(step.args[i] ?? { kind: "default" }, type.params[i]);
      if (arg === undefined) return this.put("kSkipped");
      args.push(arg);
    }
    const references = this.outcome(type.results, () => {
      const result = of.exports[step.name](...args);
      return type.results.length === 0 ? [] : type.results.length === 1 ? [result] : [...result];
    });
    if (step.keep) this.kept[kept] = references;
  }

  argument(arg, type) {
    if (typeof type === "string") {
      const bits = arg.kind === "number" ? BigInt(arg.low) : 0n;
      switch (type) {
        case "i32": return Number(BigInt.asIntN(32, bits));
        case "i64": return BigInt.asIntN(64, bits);
        case "f32": return f32Of(BigInt.asUintN(32, bits));
        case "f64": return f64Of(bits);
      }
      throw new Unknown(`an argument of type ${type}`);
    }
    let value = null;
    if (arg.kind === "i31") value = (Number(BigInt.asUintN(31, BigInt(arg.low))) << 1) >> 1;
    if (arg.kind === "host") value = new Host(arg.low);
    if (arg.kind === "kept") value = this.kept[Number(arg.low)]?.[0] ?? null;
    if (value !== null && this.matches(value, type)) return value;
    return type.nullable ? null : undefined;
  }

  matches(value, type) {
    const kind = this.kindOf(value);
    if (type.heap === "any" || type.heap === "extern") return kind !== "func";
    if (kind === "func") {
      return type.heap === "func" || this.isInstance(value, "functype", type.heap);
    }
    if (kind === "i31") return type.heap === "eq" || type.heap === "i31";
    if (kind === "host") return false;
    if (type.heap === "eq") return true;
    if (type.heap === "struct" || type.heap === "array") return this.describe(value).kind === type.heap;
    return this.isInstance(value, "type", type.heap);
  }

  isInstance(value, probe, heap) {
    if (typeof heap !== "number") return false;
    const found = this.typeOf(value, probe);
    if (found === null) throw new Unknown("an object of unknown type");
    return found.type.ancestors.includes(heap);
  }

  setGlobal(step) {
    const of = this.instance(step.instance);
    const item = of && of.module.exports.find((e) => e.name === step.name);
    if (!item || item.kind !== "global" || step.args.length === 0 || !item.mutable) return this.put("kSkipped");
    const value = this.argument(step.args[0], item.type);
    if (value === undefined) return this.put("kSkipped");
    of.exports[step.name].value = value;
  }

  release(step) {
    if (!this.kept[step.kept] || this.kept[step.kept].length === 0) return this.put("kSkipped");
    this.kept[step.kept] = [];
  }

  drop(step) {
    const of = this.instance(step.instance);
    if (!of) return this.put("kSkipped");
    of.dropped = true;
    of.published = false;
  }

  // --- The state at the end ---------------------------------------------------------------------------------------------

  finalState() {
    const walk = new Walk(this);
    this.instances.forEach((of, number) => {
      if (!of.exports || of.dropped) return;
      of.module.exports.forEach((item, i) => {
        const value = of.exports[item.name];
        if (item.kind === "global") {
          this.put("kGlobal", number, i);
          walk.put(item.type, value.value);
        }
        if (item.kind === "table") this.putTable(number, i, item, value, walk);
        if (item.kind === "memory") this.putMemory(number, i, value);
      });
    });
    this.kept.forEach((values, i) => {
      if (values.length === 0) return;
      this.put("kRoot", 0, i);
      for (const value of values) walk.putRef(value);
    });
    walk.drain();
  }

  putTable(number, i, item, table, walk) {
    this.put("kTable", number, i);
    this.put("kTableSize", 0, BigInt(table.length));
    const size = Math.min(Number(table.length), this.subject.limits.elements);
    for (let at = 0; at < size; ++at) {
      const element = table.get(typeof table.length === "bigint" ? BigInt(at) : at);
      if (element === null) continue;
      this.put("kTableElement", 0, at);
      walk.putRef(element);
    }
  }

  putMemory(number, i, memory) {
    const bytes = new Uint8Array(memory.buffer);
    this.put("kMemory", number, i);
    this.put("kMemorySize", 0, bytes.length);
    const chunk = this.subject.limits.chunk;
    for (let at = 0; at < bytes.length; at += chunk) {
      const part = bytes.subarray(at, at + chunk);
      const isZero = part.every((byte) => byte === 0);
      this.put("kMemoryChunk", at / chunk, isZero ? 0 : this.chunks.length + 1);
      if (!isZero) this.chunks.push(toBase64(part));
    }
  }
}

// The reachable objects, breadth first, numbered when first met: as fuzz/oracle/graph.cc does.
class Walk {
  constructor(run) {
    this.run = run;
    this.numbers = new Map();
    this.queue = [];
    this.drained = 0;
    this.values = 0;
  }

  put(type, value) {
    if (typeof type === "string") return this.run.putNumber(type, value);
    this.putRef(value);
  }

  putRef(value) {
    if (this.run.putPlain(value)) return;
    let number = this.numbers.get(value);
    const isNew = number === undefined;
    if (isNew) {
      number = this.queue.length;
      this.numbers.set(value, number);
      this.queue.push({ value, ...this.run.describe(value) });
    }
    this.run.put(isNew ? "kObject" : "kSeen", numbers.refs[this.queue[number].kind], number);
  }

  drain() {
    const limits = this.run.subject.limits;
    while (this.drained < this.queue.length) {
      if (this.drained >= limits.objects || this.values >= limits.values) return this.run.put("kTruncated");
      this.putContents(this.drained++);
    }
  }

  putContents(number) {
    const { value, kind, id, found } = this.queue[number];
    const run = this.run;
    run.put("kContents", numbers.refs[kind], number);
    run.put("kType", 0, id);
    if (kind === "func") return;
    const probes = found.instance.exports;
    const isArray = kind === "array";
    const length = isArray ? probes["parallax:l"](value) >>> 0 : found.type.fields.length;
    run.put("kLength", 0, length);
    const visited = Math.min(length, run.subject.limits.elements);
    for (let i = 0; i < visited; ++i) {
      run.put("kField", 0, i);
      const name = isArray ? `parallax:e:${found.index}` : `parallax:f:${found.index}:${i}`;
      const read = (half) => probes[name + half](value, i);
      this.putField(found.type.fields[isArray ? 0 : i], read, probes[name] !== undefined);
    }
    this.values += visited;
  }

  putField(type, read, isReadable) {
    const run = this.run;
    switch (type) {
      case "i8": case "i16": case "i32": return run.put("kI32", 0, read("") >>> 0);
      case "i64": return run.put("kI64", 0, read(""));
      case "f32": return run.put("kF32", 0, read("") >>> 0);
      case "f64": return run.put("kF64", 0, read(""));
      case "v128": run.put("kV128Low", 0, read(":0")); return run.put("kV128High", 0, read(":1"));
    }
    if (!isReadable) throw new Unknown("a field that holds an exception");
    this.putRef(read(""));
  }
}

// --- Traps: what engines say, by kind -------------------------------------------------------------------------------------

const kTraps = [
  [/unreachable/i, "unreachable"],
  [/(divide|division|remainder) by zero/i, "division by zero"],
  [/unrepresentable|integer overflow|integer division overflow|out of bounds trunc|float-to-int|invalid conversion/i, "range"],
  [/illegal cast|bad cast|cast failure|ref\.cast|cannot be cast/i, "cast"],
  [/signature mismatch|function signature|indirect call|call_indirect to a|null entry|signature that does not match/i, "indirect call"],
  [/null/i, "null"],
  [/bounds|out-of-bounds|table index|segment/i, "bounds"],
];

function trapOf(message) {
  const row = kTraps.find(([pattern]) => pattern.test(message));
  return row === undefined ? -1 : row[1];
}

// --- The loop ----------------------------------------------------------------------------------------------------------------

for (;;) {
  const line = shell.readLine();
  if (line === null || line === undefined) break;
  const request = JSON.parse(line);
  if (request.numbers) {
    numbers = request.numbers;
    shell.writeLine(JSON.stringify({ ready: true }));
    continue;
  }
  let answer;
  try {
    const run = new Run(request);
    answer = run.all();
    answer.message = run.message;
  } catch (error) {
    answer = { broken: String(error && error.stack || error) };
  }
  shell.writeLine(JSON.stringify(answer));
}
