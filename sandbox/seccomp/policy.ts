import {
  answer,
  answers,
  assemble,
  type Instruction,
  load,
  offsetArch,
  offsetArgument,
  offsetNumber,
  unlessEqual,
  whenAnyBit,
  whenAtLeast,
  whenBelow,
  whenEqual,
} from './bpf.ts';
import {
  type Arch,
  allowedCalls,
  deniedCalls,
  hugePageCalls,
  ignoredCalls,
  inspectedCalls,
} from './syscalls.ts';

const EPERM = 1;
const ENOMEM = 12;
const ENOSYS = 38;
const EAFNOSUPPORT = 97;

/** AUDIT_ARCH_* of linux/audit.h. */
const auditArch: Record<Arch, number> = { x64: 0xc000003e, arm64: 0xc00000b7 };

/** Bit of the x32 ABI, which reaches each call under a second number. */
const X32_BIT = 0x40000000;

/** CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET} of linux/sched.h; NEWTIME exists in clone3 and unshare only. */
export const CLONE_NEW_ANY = 0x7e020000;

export const TIOCSTI = 0x5412;
export const TIOCLINUX = 0x541c;
export const families = { AF_UNIX: 1, AF_INET: 2, AF_INET6: 10 } as const;
export const personalities = { PER_LINUX: 0, ADDR_NO_RANDOMIZE: 0x0040000, QUERY: 0xffffffff } as const;

const allow = answer(answers.allow);
const refuse = answer(answers.errno(EPERM));

/** Rules by call. Each ends in an answer. */
const inspections: Record<string, Instruction[]> = {
  clone: [load(offsetArgument(0)), ...whenAnyBit(CLONE_NEW_ANY, [refuse]), allow],
  // Its flags are behind a pointer, which a filter cannot read. On ENOSYS libc falls back to clone.
  clone3: [answer(answers.errno(ENOSYS))],
  personality: [
    load(offsetArgument(0)),
    ...Object.values(personalities).flatMap((value) => whenEqual(value, [allow])),
    refuse,
  ],
  // Both insert characters into a terminal's input (ioctl_tty(2)).
  ioctl: [load(offsetArgument(1)), ...whenEqual(TIOCSTI, [refuse]), ...whenEqual(TIOCLINUX, [refuse]), allow],
  socket: familyOnly(),
  socketpair: familyOnly(),
};

/** Argument and bit that request huge pages: MAP_HUGETLB, MFD_HUGETLB, SHM_HUGETLB. */
const hugePages: Record<string, { argument: number; bit: number }> = {
  mmap: { argument: 3, bit: 0x40000 },
  memfd_create: { argument: 1, bit: 0x4 },
  shmget: { argument: 2, bit: 0x800 },
};

/** Returns ENOMEM for huge pages, as on a host that has none reserved. */
function withoutHugePages(name: string): Instruction[] {
  const asks = hugePages[name];
  return asks === undefined
    ? [allow]
    : [load(offsetArgument(asks.argument)), ...whenAnyBit(asks.bit, [answer(answers.errno(ENOMEM))]), allow];
}

function familyOnly(): Instruction[] {
  return [
    load(offsetArgument(0)),
    ...Object.values(families).flatMap((value) => whenEqual(value, [allow])),
    answer(answers.errno(EAFNOSUPPORT)),
  ];
}

/**
 * The filter of profile `quorate-sandbox/1`, an allow-list. Unlisted calls return ENOSYS, as on an older kernel, so that new
 * calls stay closed. Calls known to be dangerous return EPERM. Calls of another architecture kill the process.
 */
export function seccompFilter(arch: Arch): Uint8Array {
  return assemble([
    load(offsetArch),
    ...unlessEqual(auditArch[arch], [answer(answers.killProcess)]),
    load(offsetNumber),
    ...(arch === 'x64' ? whenAtLeast(X32_BIT, [answer(answers.killProcess)]) : []),
    ...inspectedCalls.flatMap((call) => {
      const number = call[arch];
      const rule = inspections[call.name];
      return number === undefined || rule === undefined ? [] : whenEqual(number, rule);
    }),
    ...hugePageCalls.flatMap((call) => {
      const number = call[arch];
      return number === undefined ? [] : whenEqual(number, withoutHugePages(call.name));
    }),
    ...plainAnswers(arch),
  ]);
}

/** Rules without arguments: one comparison per range of numbers with the same answer, ascending, so that jumps stay short. */
function plainAnswers(arch: Arch): Instruction[] {
  const byNumber = new Map<number, number>();
  const put = (calls: typeof allowedCalls, value: number) => {
    for (const call of calls) {
      const number = call[arch];
      if (number !== undefined) byNumber.set(number, value);
    }
  };
  put(allowedCalls, answers.allow);
  put(ignoredCalls, answers.errno(0));
  put(deniedCalls, answers.errno(EPERM));

  const unknown = answers.errno(ENOSYS);
  const end = Math.max(...byNumber.keys()) + 1;
  const program: Instruction[] = [];
  let current = byNumber.get(0) ?? unknown;
  for (let number = 1; number <= end; number++) {
    const next = byNumber.get(number) ?? unknown;
    if (next === current) continue;
    program.push(...whenBelow(number, [answer(current)]));
    current = next;
  }
  return [...program, answer(unknown)];
}
