/**
 * An instruction of classic BPF, as far as seccomp filters need it: `struct sock_filter` is {u16 code, u8 jt, u8 jf, u32 k} in
 * native byte order (little-endian on both supported architectures). Source: linux/filter.h, linux/seccomp.h, seccomp(2).
 */
export interface Instruction {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

const BPF_LD_W_ABS = 0x20;
const BPF_JMP_JEQ_K = 0x15;
const BPF_JMP_JGE_K = 0x35;
const BPF_JMP_JSET_K = 0x45;
const BPF_RET_K = 0x06;

/** `struct seccomp_data`: nr at 0, arch at 4, instruction pointer at 8, six 64-bit arguments from 16. */
export const offsetNumber = 0;
export const offsetArch = 4;

/** Offset of the low 32 bits of an argument. The kernel reads the inspected arguments as 32-bit values too. */
export const offsetArgument = (index: number): number => 16 + index * 8;

/** Return values of a filter (seccomp(2)). `errno(0)` skips the call and reports success. */
export const answers = {
  allow: 0x7fff0000,
  killProcess: 0x80000000,
  errno: (number: number): number => 0x00050000 | number,
} as const;

export const load = (offset: number): Instruction => ({ code: BPF_LD_W_ABS, jt: 0, jf: 0, k: offset });
export const answer = (value: number): Instruction => ({ code: BPF_RET_K, jt: 0, jf: 0, k: value });

/** Compares the loaded value with `k`, and runs `then` or skips it. `then` must end in an answer. */
type Branch = (k: number, then: readonly Instruction[]) => Instruction[];
const when =
  (code: number): Branch =>
  (k, then) => [{ code, jt: 0, jf: then.length, k }, ...then];
const unless =
  (code: number): Branch =>
  (k, then) => [{ code, jt: then.length, jf: 0, k }, ...then];
export const whenEqual = when(BPF_JMP_JEQ_K);
export const unlessEqual = unless(BPF_JMP_JEQ_K);
export const whenAtLeast = when(BPF_JMP_JGE_K);
export const whenBelow = unless(BPF_JMP_JGE_K);
export const whenAnyBit = when(BPF_JMP_JSET_K);

/** Encodes a program for `bwrap --seccomp`. @throws RangeError for a jump over 255 or more than 4096 instructions */
export function assemble(program: readonly Instruction[]): Uint8Array {
  if (program.length > 4096) throw new RangeError(`seccomp program of ${program.length} instructions`);
  const bytes = new Uint8Array(program.length * 8);
  const view = new DataView(bytes.buffer);
  program.forEach(({ code, jt, jf, k }, index) => {
    if (jt > 255 || jf > 255) throw new RangeError(`jump too far at instruction ${index}`);
    view.setUint16(index * 8, code, true);
    view.setUint8(index * 8 + 2, jt);
    view.setUint8(index * 8 + 3, jf);
    view.setUint32(index * 8 + 4, k >>> 0, true);
  });
  return bytes;
}
