import { statSync } from 'node:fs';
import { dirname, join } from 'node:path';

const repository = join(import.meta.dirname, '..', '..');

/** In a mount namespace: covers a folder, and puts checkout and Node, which may lie below it, where they were. */
const script = `set -eu
mount -t tmpfs tmpfs /mnt
mkdir /mnt/repository /mnt/node
mount --bind "$1" /mnt/repository
mount --bind "$2" /mnt/node
if [ -n "$4" ]; then mount --bind "$4" "$3"; else mount -t tmpfs -o mode=755 tmpfs "$3"; fi
mkdir -p "$1" "$2"
mount --bind /mnt/repository "$1"
mount --bind /mnt/node "$2"
shift 4
exec "$@"
`;

/** Words of root's that run a command for which `folder` holds what `source` does, or nothing, and the programs of tests. */
export function covered(folder: string, source = ''): string[] {
  const programs = [repository, dirname(process.execPath)];
  return [
    'unshare',
    '--mount',
    '--propagation',
    'private',
    'sh',
    '-c',
    script,
    'sh',
    ...programs,
    folder,
    source,
  ];
}

/** The outermost folder above the checkout that other accounts may not enter: root's home, for one. */
function closedAbove(): string | undefined {
  const above: string[] = [];
  for (let folder = dirname(repository); folder !== dirname(folder); folder = dirname(folder))
    above.unshift(folder);
  return above.find((folder) => (statSync(folder).mode & 0o001) === 0);
}

/** Words of root's that run a command as another account, which can read the programs of tests wherever they are. */
export function asAnother(uid: number): string[] {
  const closed = closedAbove();
  return [
    ...(closed === undefined ? [] : covered(closed)),
    ...['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', '--'],
  ];
}
