import { describe, expect, it } from 'vitest';
import { assemble, answer as bpfAnswer, whenEqual } from '../../../sandbox/seccomp/bpf.ts';
import { seccompFilter } from '../../../sandbox/seccomp/policy.ts';
import {
  type Arch,
  allowedCalls,
  deniedCalls,
  hugePageCalls,
  ignoredCalls,
  inspectedCalls,
} from '../../../sandbox/seccomp/syscalls.ts';

const ALLOW = 0x7fff0000;
const KILL = 0x80000000;
const errno = (number: number) => 0x00050000 | number;
const [EPERM, ENOMEM, ENOSYS, EAFNOSUPPORT] = [1, 12, 38, 97];
const auditArch: Record<Arch, number> = { x64: 0xc000003e, arm64: 0xc00000b7 };

/** The kernel's answer: an interpreter of the five instructions a filter here consists of. */
function ask(filter: Uint8Array, arch: number, number: number, args: number[] = []): number {
  const view = new DataView(filter.buffer, filter.byteOffset, filter.byteLength);
  const data = new DataView(new ArrayBuffer(64));
  data.setUint32(0, number, true);
  data.setUint32(4, arch, true);
  for (const [index, value] of args.entries()) data.setUint32(16 + index * 8, value, true);
  let accumulator = 0;
  for (let at = 0; at * 8 < filter.byteLength; at++) {
    const code = view.getUint16(at * 8, true);
    const [jt, jf, k] = [
      view.getUint8(at * 8 + 2),
      view.getUint8(at * 8 + 3),
      view.getUint32(at * 8 + 4, true),
    ];
    const jump = (condition: boolean) => {
      at += condition ? jt : jf;
    };
    if (code === 0x06) return k;
    if (code === 0x20) accumulator = data.getUint32(k, true);
    else if (code === 0x15) jump(accumulator === k);
    else if (code === 0x35) jump(accumulator >= k);
    else if (code === 0x45) jump((accumulator & k) !== 0);
    else throw new Error(`instruction ${code.toString(16)}`);
  }
  throw new Error('the filter ran off its end');
}

describe.each<Arch>(['x64', 'arm64'])('the filter for %s', (arch) => {
  const filter = seccompFilter(arch);
  const numbers = (calls: typeof allowedCalls) => calls.flatMap((call) => call[arch] ?? []);
  const number = (name: string) => {
    const found = inspectedCalls.find((call) => call.name === name)?.[arch];
    if (found === undefined) throw new Error(`no ${name}`);
    return found;
  };
  const answer = (call: number, args: number[] = []) => ask(filter, auditArch[arch], call, args);

  it('allows, ignores and refuses what its lists say, and knows nothing else', () => {
    const expected = new Map<number, number>([
      ...numbers(allowedCalls).map((call): [number, number] => [call, ALLOW]),
      ...numbers(ignoredCalls).map((call): [number, number] => [call, errno(0)]),
      ...numbers(deniedCalls).map((call): [number, number] => [call, errno(EPERM)]),
    ]);
    const inspected = new Set(numbers(inspectedCalls));
    for (let call = 0; call < 1000; call++) {
      if (!inspected.has(call))
        expect([call, answer(call)]).toEqual([call, expected.get(call) ?? errno(ENOSYS)]);
    }
  });

  it('names no number twice', () => {
    const all = [allowedCalls, ignoredCalls, deniedCalls, inspectedCalls].flatMap(numbers);
    expect(new Set(all).size).toBe(all.length);
  });

  it('kills calls of another architecture', () => {
    for (const other of [auditArch.x64, auditArch.arm64, 0x40000003, 0x40000028]) {
      if (other !== auditArch[arch]) expect(ask(filter, other, 0)).toBe(KILL);
    }
    if (arch === 'x64') expect(answer(0x40000000 | 39)).toBe(KILL);
  });

  it('lets clone make threads and processes but no namespace', () => {
    const SIGCHLD = 17;
    const thread = 0x3d0f00;
    expect(answer(number('clone'), [SIGCHLD])).toBe(ALLOW);
    expect(answer(number('clone'), [thread])).toBe(ALLOW);
    for (const flag of [0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000]) {
      expect(answer(number('clone'), [SIGCHLD | flag])).toBe(errno(EPERM));
    }
    expect(answer(number('clone3'))).toBe(errno(ENOSYS));
  });

  it('gives memory, but no huge pages', () => {
    const asks = { mmap: [0, 0, 3, 0x22], memfd_create: [0, 1], shmget: [0, 0, 0x3b0] };
    const huge: Record<string, number> = { mmap: 0x40000, memfd_create: 4, shmget: 0x800 };
    for (const [name, args] of Object.entries(asks)) {
      const call = hugePageCalls.find((one) => one.name === name)?.[arch] ?? -1;
      expect([name, answer(call, args)]).toEqual([name, ALLOW]);
      const wanting = [...args.slice(0, -1), (args.at(-1) ?? 0) | (huge[name] ?? 0)];
      expect([name, answer(call, wanting)]).toEqual([name, errno(ENOMEM)]);
    }
  });

  it('opens sockets of three families only', () => {
    for (const call of [number('socket'), number('socketpair')]) {
      for (let family = 0; family < 50; family++) {
        const expected = [1, 2, 10].includes(family) ? ALLOW : errno(EAFNOSUPPORT);
        expect([family, answer(call, [family])]).toEqual([family, expected]);
      }
    }
  });

  it('types nothing into a terminal and keeps the personality', () => {
    const TCGETS = 0x5401;
    expect(answer(number('ioctl'), [0, TCGETS])).toBe(ALLOW);
    for (const request of [0x5412, 0x541c]) expect(answer(number('ioctl'), [0, request])).toBe(errno(EPERM));
    for (const value of [0, 0x40000, 0xffffffff]) expect(answer(number('personality'), [value])).toBe(ALLOW);
    for (const value of [8, 0x20000, 0x400000, 0x40008]) {
      expect(answer(number('personality'), [value])).toBe(errno(EPERM));
    }
  });
});

it('encodes no filter that the kernel would refuse or read otherwise', () => {
  const program = (length: number) => Array.from({ length }, () => bpfAnswer(ALLOW));
  expect(assemble(program(4096))).toHaveLength(4096 * 8);
  expect(() => assemble(program(4097))).toThrow(RangeError);
  expect(assemble(whenEqual(1, program(255)))).toHaveLength(256 * 8);
  expect(() => assemble(whenEqual(1, program(256)))).toThrow(RangeError);
});
