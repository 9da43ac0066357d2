import { hasFile } from '../cgroups/abilities.ts';
import { requiredControllers } from '../cgroups/controllers.ts';
import { groupPrefix } from '../cgroups/leftovers.ts';
import type { CgroupParents } from '../cgroups/parents.ts';
import { readOptional } from '../files.ts';
import { findTool } from '../host.ts';
import type { ProbeCheck } from '../types.ts';

/** Programs that all tiers run, on the host or inside, and their Debian packages. */
const tools = [
  { name: 'bwrap', package: 'bubblewrap' },
  { name: 'bash', package: 'bash' },
  { name: 'setpriv', package: 'util-linux' },
  { name: 'tar', package: 'tar' },
  { name: 'nice', package: 'coreutils' },
  { name: 'mount', package: 'mount' },
  { name: 'unshare', package: 'util-linux' },
];

/** Whether the operating system and processor are supported. */
export function platformCheck(host: Pick<NodeJS.Process, 'platform' | 'arch'> = process): ProbeCheck {
  const found = `${host.platform} ${host.arch}`;
  if (found === 'linux x64' || found === 'linux arm64') return { name: 'platform', ok: true, found };
  return { name: 'platform', ok: false, found, fix: 'use a host with Linux on x86_64 or aarch64' };
}

/** Whether each program is installed. */
export function toolChecks(more: readonly { name: string; package: string }[] = []): ProbeCheck[] {
  return [...more, ...tools].map(({ name, package: from }) => {
    const path = findTool(name);
    return path === undefined
      ? { name, ok: false, found: 'missing', fix: `apt-get install -y ${from}`, package: from }
      : { name, ok: true, found: path, package: from };
  });
}

/** Whether each required cgroup controller is available; those that are missing for one reason as one. */
export function controllerChecks({ parents, missing }: CgroupParents): ProbeCheck[] {
  const checks: ProbeCheck[] = [];
  const lacking = new Map<string, string[]>();
  for (const controller of requiredControllers) {
    const parent = parents.find(({ controllers }) => controllers.includes(controller));
    if (parent !== undefined) {
      const found = `cgroup v${parent.version} at ${parent.path}`;
      checks.push({ name: `${controller} control group`, ok: true, found });
      continue;
    }
    const why = missing.find((one) => one.controller === controller)?.why ?? 'no such controller';
    // On v1 each has a path of its own.
    const found = why.includes('cgroup v1') ? 'cgroup v1 is not writable for this user' : why;
    lacking.set(found, [...(lacking.get(found) ?? []), controller]);
  }
  for (const [found, controllers] of lacking)
    checks.push({
      name: `${controllers.join(', ')} control group`,
      ok: false,
      found,
      fix: controllerFix(found),
    });
  return checks;
}

/** Whether swapping of jobs is prevented: with swap a job could use more than its memory limit, and the disk. */
export function swapCheck(
  { parents }: CgroupParents,
  swaps = readOptional('/proc/swaps')?.trim() ?? '',
): ProbeCheck {
  const name = 'no swap';
  if (swaps.split('\n').length < 2) return { name, ok: true, found: 'this host has none' };
  const memory = parents.find(({ controllers }) => controllers.includes('memory'));
  const file = memory?.version === 2 ? 'memory.swap.max' : 'memory.memsw.limit_in_bytes';
  const held = memory !== undefined && hasFile(memory, `${groupPrefix}${process.pid}-swap`, file);
  if (held) return { name, ok: true, found: `${file} holds it` };
  return {
    name,
    ok: false,
    found: `this host swaps, and its kernel has no ${file}`,
    fix: 'swapoff -a, or boot with swapaccount=1',
  };
}

/** v1 hierarchies are not delegated to users, which is unsafe (cgroups(7), "delegation"). */
function controllerFix(found: string): string {
  if (found.startsWith('no cgroup')) return 'mount -t cgroup2 none /sys/fs/cgroup';
  if (found.includes('cgroup v1'))
    return 'run the same command as root, or boot with systemd.unified_cgroup_hierarchy=1';
  return process.getuid?.() === 0
    ? 'systemd-run --scope -p Delegate=yes -- <the same command>'
    : 'systemd-run --user --scope -p Delegate=yes -- <the same command>';
}

/** The setting that allows unprivileged user namespaces, if one of the known switches forbids them. */
export function userNamespaceFix(read = readOptional): { fix?: string } {
  const [found] = userNamespaceSwitches.filter(
    ({ name, closed }) => read(`/proc/sys/${name.replace('.', '/')}`)?.trim() === closed,
  );
  return found === undefined ? {} : { fix: `sysctl -w ${found.name}=${found.open}` };
}

const userNamespaceSwitches = [
  { name: 'kernel.unprivileged_userns_clone', closed: '0', open: 1 },
  { name: 'user.max_user_namespaces', closed: '0', open: 10_000 },
  { name: 'kernel.apparmor_restrict_unprivileged_userns', closed: '1', open: 0 },
];
