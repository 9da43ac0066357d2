// Names kinds of hosts that no test on this machine executes on, however many pass: `node scripts/not-executed.js`. One line, which comes before the
// count of tests (count-tests.js, test/support/skipped.ts). Plain JavaScript for Node 18 and newer, no dependencies.
import { readFileSync } from 'node:fs';
import { arch, argv, stdout } from 'node:process';
import { pathToFileURL } from 'node:url';

/** Whether the limits of builds are those of cgroup v1: a hierarchy of it has the memory controller (cgroups(7)). */
function limitsByVersionOne() {
  try {
    return / - cgroup \S+ \S*\bmemory\b/.test(readFileSync('/proc/self/mountinfo', 'utf8'));
  } catch {
    return false;
  }
}

export function notExecuted() {
  const other = [
    limitsByVersionOne() ? 'cgroup v2 (npm run cells)' : 'cgroup v1',
    arch === 'arm64' ? 'x86-64' : 'aarch64 (npm run cells)',
  ];
  // Whether a guest boots with it is not known before one has (sandbox/vm/probe.ts), and no test asks for that tier.
  return `not executed on this machine: KVM (tier vm), ${other.join(', ')}`;
}

if (argv[1] !== undefined && import.meta.url === pathToFileURL(argv[1]).href)
  stdout.write(`${notExecuted()}\n`);
