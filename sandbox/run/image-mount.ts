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
