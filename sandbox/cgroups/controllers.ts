export const requiredControllers = ['memory', 'cpu', 'pids'] as const;
/** Controllers for freezing, accounting of processor time, and disk weights. Jobs run without them. */
export const optionalControllers = ['freezer', 'cpuacct', 'io'] as const;
export type Controller = (typeof requiredControllers)[number] | (typeof optionalControllers)[number];

/** The directory of this process's own cgroup in one hierarchy, and the mount point of the hierarchy. */
export interface Hierarchy {
  readonly version: 1 | 2;
  readonly mount: string;
  readonly own: string;
}

export interface Hierarchies {
  readonly v1: Partial<Record<Controller, Hierarchy>>;
  readonly v2: Hierarchy | undefined;
}

/**
 * Finds the hierarchy of each controller. Distributions differ (v1, v2, hybrid), so it is decided per controller.
 * @param mountinfo /proc/self/mountinfo (proc_pid_mountinfo(5))
 * @param cgroup /proc/self/cgroup (cgroups(7))
 */
export function parseHierarchies(mountinfo: string, cgroup: string): Hierarchies {
  const ownPaths = parseOwnPaths(cgroup);
  const v1: Partial<Record<Controller, Hierarchy>> = {};
  let v2: Hierarchy | undefined;
  for (const line of mountinfo.split('\n')) {
    const [left = '', right = ''] = line.split(' - ');
    const [, , , root = '', mount = ''] = left.split(' ').map(unescapeOctal);
    const [type = '', , options = ''] = right.split(' ');
    if (type === 'cgroup2') {
      v2 ??= hierarchy(2, root, mount, ownPaths.get(''));
    } else if (type === 'cgroup') {
      for (const controller of [...requiredControllers, ...optionalControllers]) {
        if (options.split(',').includes(v1Name(controller))) {
          v1[controller] ??= hierarchy(1, root, mount, ownPaths.get(v1Name(controller)));
        }
      }
    }
  }
  return { v1, v2 };
}

const v1Name = (controller: Controller): string => (controller === 'io' ? 'blkio' : controller);

/** Parses lines of `id:controller,controller:path`; the v2 line has no controller. */
function parseOwnPaths(cgroup: string): Map<string, string> {
  const paths = new Map<string, string>();
  for (const line of cgroup.split('\n')) {
    const match = /^\d+:([^:]*):(.*)$/.exec(line);
    for (const name of match?.[1]?.split(',') ?? []) paths.set(name, match?.[2] ?? '/');
  }
  return paths;
}

/** In containers a mount may show a part of the hierarchy; a path outside of it is taken as the mount point. */
function hierarchy(version: 1 | 2, root: string, mount: string, path = '/'): Hierarchy {
  const below =
    root === '/' ? path : path === root || path.startsWith(`${root}/`) ? path.slice(root.length) : '/';
  const reachable = below.split('/').includes('..') ? '/' : below;
  return { version, mount, own: reachable === '/' || reachable === '' ? mount : `${mount}${reachable}` };
}

function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}
