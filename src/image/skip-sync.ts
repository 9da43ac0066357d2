import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** As the kernel counts them (linux/audit.h, asm/unistd.h): fsync, fdatasync, sync, syncfs, sync_file_range, msync. */
const machines: Partial<Record<NodeJS.Architecture, { arch: number; calls: readonly number[] }>> = {
  x64: { arch: 0xc000003e, calls: [74, 75, 162, 306, 277, 26] },
  arm64: { arch: 0xc00000b7, calls: [82, 83, 81, 267, 84, 227] },
};

/** Classic BPF (linux/filter.h), and what a seccomp filter answers: go on, or 0 without doing anything. */
const code = { load: 0x20, jumpIfEqual: 0x15, answer: 0x06 } as const;
const answers = { allow: 0x7fff0000, done: 0x00050000 } as const;
/** In what the kernel shows of a call. */
const offsets = { number: 0, arch: 4 } as const;

/**
 * Words before a command that have it, and all it starts, not wait for the disk. For what is thrown away when it has been read:
 * dpkg makes sure of each step of each package, which is a fifth of the time that a large image takes. No words where the
 * machine cannot do that, or this is not root.
 */
export async function skipSyncPrefix(scratch: string): Promise<string[]> {
  const machine = machines[process.arch];
  if (machine === undefined || process.getuid?.() !== 0) return [];
  const file = join(scratch, 'skip-sync.bpf');
  await writeFile(file, filterOf(machine));
  const words = ['setpriv', '--seccomp-filter', file, '--'];
  try {
    await promisify(execFile)('setpriv', [...words.slice(1), 'true'], { timeout: 5_000 });
    return words;
  } catch {
    // Before util-linux 2.40, or without the right to.
    return [];
  }
}

function filterOf({ arch, calls }: { arch: number; calls: readonly number[] }): Buffer {
  const program = [
    { code: code.load, ifNot: 0, k: offsets.arch },
    // Of another machine's calls nothing is said.
    { code: code.jumpIfEqual, ifNot: 1 + 2 * calls.length, k: arch },
    { code: code.load, ifNot: 0, k: offsets.number },
    ...calls.flatMap((k) => [
      { code: code.jumpIfEqual, ifNot: 1, k },
      { code: code.answer, ifNot: 0, k: answers.done },
    ]),
    { code: code.answer, ifNot: 0, k: answers.allow },
  ];
  const bytes = Buffer.alloc(8 * program.length);
  for (const [index, { code, ifNot, k }] of program.entries()) {
    bytes.writeUInt16LE(code, 8 * index);
    bytes.writeUInt8(ifNot, 8 * index + 3);
    bytes.writeUInt32LE(k, 8 * index + 4);
  }
  return bytes;
}
