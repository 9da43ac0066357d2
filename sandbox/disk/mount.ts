import { QuorateError } from '../../src/protocol/base/errors.ts';
import { type Mounted, mountPlaces, requireTool } from '../host.ts';
import type { SandboxImage } from '../types.ts';

/**
 * Makes an image's files reachable for a command that runs under another account. They may lie below folders that only root
 * can enter, so they are bind-mounted elsewhere, in a mount namespace that ends with the command. A command that runs under the
 * worker's account (`uid` undefined) uses them where they are. `native`: the native program. @throws SANDBOX_UNAVAILABLE without a mount point
 */
export async function mountImage(
  image: SandboxImage,
  uid: number | undefined,
  native?: string,
  [at] = mountPlaces(),
): Promise<Mounted> {
  const folder = await image.directory();
  if (uid === undefined) return { folder, prefix: [] };
  if (at === undefined)
    throw new QuorateError('SANDBOX_UNAVAILABLE', 'there is no folder to mount an image at', {
      hint: 'mkdir /mnt',
    });
  if (native !== undefined) return { folder: at, prefix: [native, 'enter', 'bind', folder, at, '--'] };
  const script = '"$1" --bind "$2" "$3"; shift 3; exec "$@"';
  return {
    folder: at,
    prefix: [
      ...[requireTool('unshare'), '--mount', '--propagation', 'private', '--'],
      ...[requireTool('bash'), '--norc', '-euc', script, 'quorate-show', requireTool('mount'), folder, at],
    ],
  };
}

/** No device of it is one, no program of it gains rights; nothing is written that nobody asks for. */
const mountOptions = 'loop,nosuid,nodev,noatime,noinit_itable';

/**
 * Mounts in a mount namespace of its own, so that nobody else sees it. The loop device is let go of by the kernel when the last process in the
 * namespace has ended, whatever ended it; the file has no name by then. Direct I/O: what is written is not kept in memory twice.
 */
const script = `
mount=$1 losetup=$2 rm=$3 rmdir=$4 file=$5 at=$6
shift 6
"$mount" -t ext4 -o ${mountOptions} -- "$file" "$at"
device=$("$losetup" --noheadings --output NAME --associated "$file")
"$losetup" --direct-io=on "$device" 2>/dev/null || :
"$rm" -- "$file"
"$rmdir" "$at/lost+found"
exec "$@"
`;

/** For root: mounts a file of `makeDiskFile` at the second place; the first may hold an image. @throws SANDBOX_UNAVAILABLE */
export function mountDisk(file: string, [, folder] = mountPlaces()): Mounted {
  if (folder === undefined)
    throw new QuorateError('SANDBOX_UNAVAILABLE', 'there is no second folder to mount at', {
      hint: 'mkdir -p /mnt /media',
    });
  return {
    folder,
    prefix: [
      ...[requireTool('unshare'), '--mount', '--propagation', 'private', '--'],
      ...[requireTool('bash'), '--norc', '-euc', script, 'quorate-disk'],
      ...[...['mount', 'losetup', 'rm', 'rmdir'].map(requireTool), file, folder],
    ],
  };
}
