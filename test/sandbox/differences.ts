import { readFileSync } from 'node:fs';
import type { Tier } from '../../sandbox/index.ts';

/** A property of builds that tiers cannot have alike; each is looked at in each tier that is named here. */
export interface Difference {
  readonly what: string;
  /** A step that shows it, and what the log is to match; `says` is how the docs put that. */
  readonly step: string;
  readonly in: Partial<Record<Tier, { finds: RegExp; says: string }>>;
}

const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
const family = (number: number) => `perl -e 'socket(S, ${number}, 3, 0) and die "opened"; print $! + 0'`;

export const differences: readonly Difference[] = [
  {
    what: 'release of the kernel (`uname -r`)',
    step: 'uname -r',
    in: {
      'vm-emulated': {
        finds: /^\d+\.\d+\.\d+.*-cloud-amd64$/m,
        says: "Debian's cloud kernel, of the machine's package",
      },
      gvisor: { finds: /^4\.\d+\.\d+/, says: "gVisor's own, 4.4.0" },
      namespace: { finds: /^\d+\.\d+/, says: "the machine's" },
    },
  },
  {
    what: 'model of the processor in `/proc/cpuinfo`',
    step: 'grep -m 1 -E "^(model name|CPU part)" /proc/cpuinfo',
    in: {
      'vm-emulated': { finds: /: Intel Core i7 9xx/, says: 'always the same (`Nehalem`)' },
      gvisor: { finds: /unknown/, says: 'unknown (CPUID tells it)' },
      namespace: { finds: /: .+/, says: "the machine's" },
    },
  },
  {
    what: 'id of this boot (`/proc/sys/kernel/random/boot_id`)',
    step: 'cat /proc/sys/kernel/random/boot_id',
    in: {
      'vm-emulated': {
        finds: new RegExp(`^(?!${bootId})[0-9a-f-]{36}$`, 'm'),
        says: 'of its own, another for each job',
      },
      gvisor: {
        finds: new RegExp(`^(?!${bootId})[0-9a-f-]{36}$`, 'm'),
        says: 'of its own, another for each job',
      },
      namespace: { finds: new RegExp(`^${bootId}$`, 'm'), says: "the machine's" },
    },
  },
  {
    what: "names of the machine's disks in `/proc/self/mountinfo`",
    step: 'grep -c " - [a-z0-9]* /dev/" /proc/self/mountinfo || true',
    in: {
      'vm-emulated': { finds: /^\d+$/m, says: "none of the machine's" },
      gvisor: { finds: /^0$/m, says: 'none' },
      namespace: { finds: /^\d+$/m, says: 'seen' },
    },
  },
  {
    what: 'devices besides the usual',
    step: 'for path in /dev/fuse /dev/net; do [ ! -e $path ] || echo $path; done',
    in: {
      'vm-emulated': { finds: /^$/, says: 'none' },
      gvisor: {
        finds: /^\/dev\/fuse\n\/dev\/net$/m,
        says: "`fuse`, `net/tun`: gVisor's own, not usable without a capability",
      },
      namespace: { finds: /^$/, says: 'none' },
    },
  },
  {
    what: 'a socket of a family that is not allowed (netlink)',
    step: family(16),
    in: {
      'vm-emulated': { finds: /^97$/m, says: 'EAFNOSUPPORT' },
      gvisor: { finds: /^1$/m, says: 'EPERM' },
      namespace: { finds: /^97$/m, says: 'EAFNOSUPPORT' },
    },
  },
  {
    what: 'account of process 1, the driver',
    step: 'stat -c %u /proc/1',
    in: {
      'vm-emulated': { finds: /^1000$/m, says: "the build's, with a capability that steps lack" },
      gvisor: { finds: /^0$/m, says: "gVisor's root, which is nobody on the machine" },
      namespace: { finds: /^1000$/m, says: "the build's, with a capability that steps lack" },
    },
  },
];
