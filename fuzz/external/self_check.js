// Stands in front of the driver in a test case that is one file: gives it the case, and judges what it answers.
//
// `parallaxCase` is there already: the driver's lines, the tokens that the specification demands (null: nothing to
// compare with, the run alone is the test) and the kinds of tokens in which other engines may differ. A difference ends the
// process in the way that this shell's crash reports understand, so that a fuzzer of crashes sees wrong results too.
"use strict";

globalThis.parallaxShell = (() => {
  const lines = [...parallaxCase.lines];
  const say = typeof print === "function" ? print : (text) => console.log(text);

  function die(message) {
    say(`PARALLAX MISMATCH: ${message}`);
    const quoted = JSON.stringify(`parallax mismatch: ${message}`);
    // d8 with --allow-natives-syntax; elsewhere this does not parse.
    try { (0, eval)(`%AbortJS(${quoted})`); } catch {}
    if (typeof crash === "function") crash(quoted);  // SpiderMonkey
    if (typeof $vm === "object") $vm.abort();        // JavaScriptCore with --useDollarVM=1
    if (typeof process === "object" && process.abort) process.abort();
    throw new Error(`parallax mismatch: ${message}`);
  }

  // Names and numbers of tokens.
  const numbers = JSON.parse(lines[0]).numbers.tokens;
  const names = Object.fromEntries(Object.entries(numbers).map(([name, number]) => [number, name]));

  const isNan = { kF32: [0x7fffffffn, 0x7f800000n, 0x7fc00000n], kF64: [(1n << 63n) - 1n, 0x7ffn << 52n, 0x7ff8n << 48n] };
  function value(name, raw) {
    if (name === "kTrap") return 0n;                               // engines name traps differently
    if (name === "kMemoryChunk") return String(raw) === "0" ? 0n : 1n;  // hashed here, text there: zeros or not
    if (name === "kExnTag" && parallaxCase.manyTags) return 0n;    // one tag may have several labels
    const bits = BigInt(raw);
    const nan = isNan[name];
    return nan !== undefined && (bits & nan[0]) > nan[1] ? nan[2] : bits;
  }

  function judge(answer) {
    if (answer.broken) throw new Error(answer.broken);
    const expected = parallaxCase.expected;
    // The mark for the end of the steps is the driver's own.
    const tokens = [];
    let conclusive = 0;
    for (let i = 0; i < answer.tokens.length; i += 3) {
      if (answer.tokens[i] < 0) continue;
      tokens.push(answer.tokens.slice(i, i + 3));
      if (i / 3 < answer.conclusive) conclusive = tokens.length;
    }
    say(`parallax: ${tokens.length} tokens, ${answer.inconclusive ?? "whole run"}`);
    if (expected === null) return;
    const same = answer.inconclusive === null ? Math.max(tokens.length, expected.length / 3) : conclusive;
    const show = (token) => token === undefined ? "nothing" : `${names[token[0]]} ${token[1]} ${token[2]}`;
    let step = "none";
    for (let i = 0; i < same; ++i) {
      const ours = expected.length > 3 * i ? expected.slice(3 * i, 3 * i + 3) : undefined;
      const theirs = tokens[i];
      const isSame = ours !== undefined && theirs !== undefined && ours[0] === theirs[0] && ours[1] === theirs[1] &&
        value(names[ours[0]], ours[2]) === value(names[theirs[0]], theirs[2]);
      const isExcused = [ours, theirs].some((token) => token !== undefined && parallaxCase.excused.includes(token[0]));
      if (!isSame && isExcused) return say("parallax: a difference that judges nothing");
      if (!isSame) return die(`step ${step}: expected ${show(ours)}, got ${show(theirs)}`);
      if (names[ours[0]] === "kStep") step = ours[2];
    }
  }

  return {
    readLine: () => lines.shift() ?? null,
    writeLine: (line) => {
      const answer = JSON.parse(line);
      if (answer.ready !== true) judge(answer);
    },
    collect: typeof gc === "function" ? () => gc() : () => {},
  };
})();
