"""Counts the instructions of a product on 64-bit ARM, under qemu: `./run neon --count`.

Prints for each byte dot product and number of rows what the product executes for 16 multiplications, and how many
of these instructions are sdot or smmla. qemu logs each block of code that it translates and each that it runs. The
product runs once and three times, so that the difference is two products and nothing else.
"""

import collections
import os
import re
import subprocess
import sys

INSTRUCTION = re.compile(r"^0x([0-9a-f]+): +([0-9a-f]{8})  (\S+)")
RUN = re.compile(r"^Trace \d+: 0x[0-9a-f]+ \[[0-9a-f]+/([0-9a-f]+)/")
# sdot and smmla of three vector registers, by their encodings.
EXTENSION = re.compile("4e[89][0-9a-f][9a][4-7]")


def count(program, target, rows, n, k, times):
    """Instructions that were executed, and how many of them are the extensions'."""
    command = [
        "qemu-aarch64",
        "-d",
        "in_asm,exec,nochain",
        "-D",
        "/dev/stdout",
        "-L",
        "/",
        "-cpu",
        "max",
    ]
    command += [program, str(rows), str(n), str(k), str(times)]
    sizes, executed, block = {}, collections.Counter(), None
    environment = {**os.environ, "UFFIZI_TARGET": target}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if run := RUN.match(line):
                executed[int(run[1], 16)] += 1
            elif line.startswith("IN:"):
                block = None
            elif instruction := INSTRUCTION.match(line):
                if block is None:
                    block = int(instruction[1], 16)
                    sizes[block] = [0, 0]
                sizes[block][0] += 1
                sizes[block][1] += bool(EXTENSION.match(instruction[2]))
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit code {process.returncode}")
    return [sum(executed[pc] * size[i] for pc, size in sizes.items()) for i in (0, 1)]


def main():
    program = sys.argv[1]
    k = 1024
    print("target      rows  instructions  of these sdot or smmla  (for 16 multiplications)")
    for rows, n in ((1, 1024), (384, 64)):
        for target in ("neon", "neon_sdot", "neon_i8mm"):
            once, thrice = (count(program, target, rows, n, k, times) for times in (1, 3))
            sixteens = 2 * rows * n * k / 16
            every, own = ((b - a) / sixteens for a, b in zip(once, thrice))
            print(f"{target:10} {rows:5} {every:13.2f} {own:23.2f}", flush=True)


main()
