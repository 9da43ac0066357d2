import { chownSync, existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { requiredControllers } from '../../../sandbox/cgroups/controllers.ts';
import { readHierarchies } from '../../../sandbox/cgroups/parents.ts';
import { until } from './wait.ts';

/** An account that is not root's, with control groups of its own to build in. */
export interface Handed {
  /** Words that run a command as this account, in its groups; and in none of its own. */
  enter: string[];
  enterBare: string[];
  /** The repository and Node, at places that everybody can read. */
  repository: string;
  node: string;
  /** Once nothing runs in them any more. */
  takeBack(): Promise<void>;
}

/** As systemd does with Delegate=yes on v2; on v1 what root can do by hand (docs/lending.md). */
const files = ['', 'cgroup.procs', 'tasks', 'cgroup.subtree_control', 'cgroup.threads'];

const enterScript = `set -eu
while [ "$1" != -- ]; do echo 0 > "$1/cgroup.procs"; shift; done
shift
exec unshare --mount --propagation private sh -euc '
mount --bind "$1" "$2"; mount --bind "$3" "$4"; uid=$5; shift 5
exec setpriv --reuid="$uid" --regid="$uid" --clear-groups --inh-caps=-all --bounding-set=-all "$@"' sh "$@"
`;

function gone(directory: string): boolean {
  try {
    rmdirSync(directory);
    return true;
  } catch {
    return !existsSync(directory);
  }
}

export function handOver({ uid, dir, repository }: { uid: number; dir: string; repository: string }): Handed {
  const { v1, v2 } = readHierarchies();
  const name = `quorate-test-${process.pid}-${uid}`;
  const made: string[] = [];
  const make = (directory: string): string => {
    mkdirSync(directory);
    made.push(directory);
    for (const file of files) {
      try {
        chownSync(join(directory, file), uid, uid);
      } catch {
        // The other version has no such file.
      }
    }
    return directory;
  };
  const own = new Set(
    [...requiredControllers, 'freezer' as const, 'cpuacct' as const].flatMap(
      (controller) => v1[controller]?.own ?? [],
    ),
  );
  const groups = [...own].map((at) => make(join(at, name)));
  if (requiredControllers.some((controller) => v1[controller] === undefined) && v2 !== undefined) {
    // A group with processes in it gives its children no controllers: the processes get one below.
    const top = make(join(v2.mount, name));
    writeFileSync(join(top, 'cgroup.subtree_control'), '+cpu +memory +pids');
    groups.push(make(join(top, 'main')));
  }
  const places = { repository: join(dir, `repository-${uid}`), node: join(dir, `node-${uid}`) };
  for (const place of Object.values(places)) mkdirSync(place, { mode: 0o755 });
  const script = join(dir, `enter-${uid}.sh`);
  writeFileSync(script, enterScript);
  const enter = (of: readonly string[]): string[] => [
    ...['sh', script, ...of, '--'],
    ...[repository, places.repository, dirname(process.execPath), places.node, String(uid)],
  ];
  return {
    enter: enter(groups),
    enterBare: enter([]),
    repository: places.repository,
    node: join(places.node, 'node'),
    takeBack: async () => {
      for (const directory of made.reverse()) await until('an empty control group', () => gone(directory));
    },
  };
}
