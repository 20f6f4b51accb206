#!/usr/bin/env python3
"""Looks at a target that is linked with Centipede's runner, by speaking the engine's side of its protocol.

    scripts/oss-fuzz/check_centipede.py TARGET SEED-OR-FOLDER...

The engine gives inputs, and gets features or mutants, through two files in shared memory (shared_memory_blob_sequence.h,
runner_request.h, runner_result.h of Centipede: tag, size, bytes). Checked: all seeds run; features in our user domains
arrive (of targets that judge cases; elsewhere edges alone); a seed that runs twice gives the same features;
mutants come from the target's own mutator where it has one and most are modules; and with the 5 GiB of address space that
OSS-Fuzz gives, the seeds still run. Exit code: 0 = as it should be, 1 = not, 2 = bad usage.
"""
import collections
import mmap
import os
import struct
import subprocess
import sys

FIRST_USER_DOMAIN = 12  # feature.h: eleven domains of the engine's own behind kUnknown
DOMAIN_BITS = 27
EXECUTE, MUTATE, INPUTS, MUTANTS, METADATA, DATA = range(1, 7)
FEATURES, BEGIN, END, STATS, META, HAS_MUTATOR, ORIGIN, MUTANT = range(1, 9)
SIZE = 64 << 20


def blob(tag, data=b""):
    return struct.pack("<QQ", tag, len(data)) + data


def number(tag, value):
    return blob(tag, struct.pack("<Q", value))


def blobs(path):
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as data:
        at = 0
        while at + 16 <= len(data):
            tag, size = struct.unpack_from("<QQ", data, at)
            if tag == 0:
                return
            yield tag, data[at + 16:at + 16 + size]
            at += 16 + size


def ask(target, request, flags=""):
    """The runner's answer to a request: exit code, blobs, standard error."""
    memories = [os.memfd_create(name) for name in ("in", "out")]
    to, back = (f"/proc/{os.getpid()}/fd/{memory}" for memory in memories)
    try:
        os.write(memories[0], request)
        for memory in memories:
            os.ftruncate(memory, SIZE)
        environment = dict(os.environ, CENTIPEDE_RUNNER_FLAGS=f":shmem:max_len=65536:{flags}arg1={to}:arg2={back}:")
        run = subprocess.run([target], env=environment, capture_output=True, timeout=600, check=False)
        return run.returncode, list(blobs(back)), run.stderr.decode(errors="replace")
    finally:
        for memory in memories:
            os.close(memory)


def execute(target, inputs, flags=""):
    request = blob(EXECUTE) + number(INPUTS, len(inputs)) + b"".join(blob(DATA, data) for data in inputs)
    code, answer, errors = ask(target, request, flags)
    features = [struct.unpack(f"<{len(data) // 8}Q", data) for tag, data in answer if tag == FEATURES]
    return code, features, errors


def mutate(target, inputs, count):
    request = blob(MUTATE) + number(MUTANTS, count) + number(INPUTS, len(inputs))
    request += b"".join(blob(METADATA) + blob(DATA, data) for data in inputs)
    code, answer, errors = ask(target, request, "crossover_level=50:")
    return code, any(tag == HAS_MUTATOR and any(data) for tag, data in answer), [d for t, d in answer if t == MUTANT], errors


def read(paths):
    for path in paths:
        for base, _, names in os.walk(path) if os.path.isdir(path) else [(os.path.dirname(path), 0, [os.path.basename(path)])]:
            for name in sorted(names):
                with open(os.path.join(base, name), "rb") as file:
                    yield file.read()


def main():
    if len(sys.argv) < 3:
        print(__doc__, file=sys.stderr)
        return 2
    target, seeds, failed = sys.argv[1], [seed for seed in read(sys.argv[2:]) if seed], False

    def complain(text):
        nonlocal failed
        failed = True
        print(f"check_centipede: {text}")

    code, features, errors = execute(target, [seed for seed in seeds for _ in range(2)])
    if code != 0 or len(features) != 2 * len(seeds):
        complain(f"{len(features)} of {2 * len(seeds)} runs, exit code {code}: {errors[-300:]}")
    domains = collections.Counter((f >> DOMAIN_BITS) - FIRST_USER_DOMAIN for run in features for f in set(run))
    user = {domain: domains[domain] for domain in sorted(domains) if 0 <= domain < 16}
    twice = [(set(features[i]), set(features[i + 1])) for i in range(0, len(features) - 1, 2)]
    stable = sum(first == second for first, second in twice)
    print(f"{len(seeds)} seeds: {sum(map(len, features)) / max(1, len(features)):.0f} features a run, by user domain {user}; "
          f"{stable} of {len(twice)} the same when run again")
    if not domains:
        complain("no features")
    code, is_custom, mutants, errors = mutate(target, seeds, 200)
    print(f"200 mutants asked for: {len(mutants)}, by {'the target' if is_custom else 'the engine'}; "
          f"{sum(m[:4] == bytes([0]) + b'asm' for m in mutants)} modules, {len(set(mutants))} different, "
          f"{sum(m in seeds for m in mutants)} unchanged")
    if code != 0 or (is_custom and len(mutants) < 200):
        complain(f"mutation: exit code {code}: {errors[-300:]}")
    code, features, errors = execute(target, seeds, "address_space_limit_mb=5120:")
    if code != 0 or len(features) != len(seeds):
        complain(f"in 5 GiB {len(features)} of {len(seeds)} runs, exit code {code}: {errors[-300:]}")
    print(f"in 5 GiB of address space: {len(features)} runs")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
