import { CLONE_NEW_ANY, families, personalities, TIOCLINUX, TIOCSTI } from './policy.ts';
import { type Arch, allowedCalls, deniedCalls, ignoredCalls } from './syscalls.ts';

interface Comparison {
  readonly index: number;
  readonly value: number;
  readonly valueTwo?: number;
  readonly op: 'SCMP_CMP_EQ' | 'SCMP_CMP_MASKED_EQ';
}

interface Rule {
  readonly names: string[];
  readonly action: string;
  readonly args?: Comparison[];
}

/** `linux.seccomp` of an OCI configuration (opencontainers/runtime-spec, config-linux.md). */
export interface OciSeccomp {
  readonly defaultAction: string;
  readonly architectures: string[];
  readonly syscalls: Rule[];
}

const ALLOW = 'SCMP_ACT_ALLOW';
/** Returns EPERM: runsc ignores `errnoRet`. */
const REFUSE = 'SCMP_ACT_ERRNO';
/** Notifies a tracer. Without one the call fails with ENOSYS (seccomp(2)). */
const UNKNOWN = 'SCMP_ACT_TRACE';

/**
 * The policy of `seccompFilter` (policy.ts) as an OCI configuration. The first matching rule of a call applies. Calls that
 * gVisor does not implement are skipped and return ENOSYS. Two differences cannot be expressed: sockets of other families return
 * EPERM instead of EAFNOSUPPORT, and `sync` is not skipped.
 */
export function ociSeccomp(arch: Arch): OciSeccomp {
  const here = (calls: typeof allowedCalls) =>
    calls.filter((call) => call[arch] !== undefined).map(({ name }) => name);
  const when = (name: string, action: string, ...args: Comparison[]): Rule => ({
    names: [name],
    action,
    args,
  });
  const is = (index: number, value: number): Comparison => ({ index, value, op: 'SCMP_CMP_EQ' });
  const otherwise = (name: string, action: string): Rule => ({ names: [name], action });
  return {
    defaultAction: UNKNOWN,
    architectures: [arch === 'x64' ? 'SCMP_ARCH_X86_64' : 'SCMP_ARCH_AARCH64'],
    syscalls: [
      ...bitsOf(CLONE_NEW_ANY).map((bit) =>
        when('clone', REFUSE, { index: 0, value: bit, valueTwo: bit, op: 'SCMP_CMP_MASKED_EQ' }),
      ),
      otherwise('clone', ALLOW),
      ...Object.values(personalities).map((value) => when('personality', ALLOW, is(0, value))),
      otherwise('personality', REFUSE),
      ...[TIOCSTI, TIOCLINUX].map((value) => when('ioctl', REFUSE, is(1, value))),
      otherwise('ioctl', ALLOW),
      ...['socket', 'socketpair'].flatMap((name) => [
        ...Object.values(families).map((value) => when(name, ALLOW, is(0, value))),
        otherwise(name, REFUSE),
      ]),
      { names: [...here(allowedCalls), ...here(ignoredCalls)], action: ALLOW },
      { names: here(deniedCalls), action: REFUSE },
    ],
  };
}

function bitsOf(mask: number): number[] {
  return Array.from({ length: 31 }, (_, bit) => 2 ** bit).filter((value) => (mask & value) !== 0);
}
