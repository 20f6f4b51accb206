// Measures how long a JavaScript engine takes to compile a module; its flags decide with what.
//
//   compile_driver.js MODULE SECONDS
//
// Compiles for so long, at least once; not at all if SECONDS is 0. Prints "parallax compiled TIMES", and where there is a
// clock of the processor "parallax compile_us N": processor time of all threads per module. A shell has none; whoever
// started it can tell.
'use strict';

const isShell = typeof process === 'undefined';
const words = isShell ? scriptArgs : process.argv.slice(2);
const say = isShell ? print : console.log;
const load = isShell ? (path) => os.file.readFile(path, 'binary') : (path) => require('fs').readFileSync(path);
const processClock = () => {
  const used = process.cpuUsage();
  return used.user + used.system;
};
const now = isShell ? () => performance.now() * 1000 : processClock;

function main() {
  const bytes = load(words[0]);
  const limit = Number(words[1]) * 1e6;
  const begin = now();
  let used = 0;
  let times = 0;
  while (used < limit) {
    new WebAssembly.Module(bytes);
    ++times;
    used = now() - begin;
  }
  say('parallax compiled ' + times);
  if (!isShell && times > 0) say('parallax compile_us ' + used / times);
}

main();
