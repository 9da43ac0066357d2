import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** Numbers of fsync, fdatasync, sync, syncfs, sync_file_range and msync (linux/audit.h, asm/unistd.h). */
const architectures: Partial<Record<NodeJS.Architecture, { arch: number; calls: readonly number[] }>> = {
  x64: { arch: 0xc000003e, calls: [74, 75, 162, 306, 277, 26] },
  arm64: { arch: 0xc00000b7, calls: [82, 83, 81, 267, 84, 227] },
};

/** Opcodes of classic BPF (linux/filter.h), and return values of a seccomp filter: allow, or skip with result 0. */
const code = { load: 0x20, jumpIfEqual: 0x15, answer: 0x06 } as const;
const answers = { allow: 0x7fff0000, done: 0x00050000 } as const;
/** Offsets in struct seccomp_data (seccomp(2)). */
const offsets = { number: 0, arch: 4 } as const;

/**
 * Command prefix under which sync calls are skipped, by a seccomp filter. For results that are discarded after reading: dpkg
 * syncs at each step of each package, which takes a fifth of the time of a large image. Empty if this process is not root or
 * setpriv(1) does not support filters.
 */
export async function skipSyncPrefix(scratch: string): Promise<string[]> {
  const architecture = architectures[process.arch];
  if (architecture === undefined || process.getuid?.() !== 0) return [];
  const file = join(scratch, 'skip-sync.bpf');
  await writeFile(file, filterOf(architecture));
  const words = ['setpriv', '--seccomp-filter', file, '--'];
  try {
    await promisify(execFile)('setpriv', [...words.slice(1), 'true'], { timeout: 5_000 });
    return words;
  } catch {
    // util-linux before 2.40, or no permission.
    return [];
  }
}

function filterOf({ arch, calls }: { arch: number; calls: readonly number[] }): Buffer {
  const program = [
    { code: code.load, ifNot: 0, k: offsets.arch },
    // Calls of another architecture are allowed.
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
