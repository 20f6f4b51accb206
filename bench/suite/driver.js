// Measures one program in a JavaScript engine: node, bun, or a shell that has read() and print().
//
//   driver.js MODULE TINY-SCALE TINY-CHECKSUM SCALE CHECKSUM WARM-SECONDS SECONDS
//
// Prints lines "parallax KEY VALUE": startup_us (bytes to instance), first_us (the first call, tiny), steady_us (mean of the
// calls after the warm-up), calls; or "parallax wrong GOT", and nothing after it.
'use strict';

const isShell = typeof process === 'undefined';
const words = isShell ? scriptArgs : process.argv.slice(2);
const say = isShell ? print : console.log;
const load = isShell ? (path) => os.file.readFile(path, 'binary') : (path) => require('fs').readFileSync(path);
const now = isShell ? () => performance.now() : () => Number(process.hrtime.bigint()) / 1e6;

function main() {
  const [tiny, tinySum, scale, sum] = words.slice(1, 5).map((word) => Number(word) | 0);
  const [warmSeconds, seconds] = words.slice(5, 7).map(Number);
  const bytes = load(words[0]);
  // False, with a line about it, when the answer is wrong.
  const right = (got, wanted) => {
    if (got !== wanted) say('parallax wrong ' + (got >>> 0));
    return got === wanted;
  };

  const begin = now();
  const run = new WebAssembly.Instance(new WebAssembly.Module(bytes), {}).exports.run;
  const ready = now();
  const first = run(tiny);
  const called = now();
  if (!right(first, tinySum)) return;
  say('parallax startup_us ' + (ready - begin) * 1000);
  say('parallax first_us ' + (called - ready) * 1000);

  for (const warm = now(); ;) {
    if (!right(run(scale), sum)) return;
    if (now() - warm >= warmSeconds * 1000) break;
  }
  let calls = 0;
  const start = now();
  let end = start;
  do {
    if (!right(run(scale), sum)) return;
    ++calls;
    end = now();
  } while (end - start < seconds * 1000);
  say('parallax steady_us ' + ((end - start) * 1000) / calls);
  say('parallax calls ' + calls);
}

main();
