import { statSync } from 'node:fs';
import { QuorateError } from '../../src/core/errors.ts';
import { requireTool } from '../host.ts';
import type { SandboxImage } from '../types.ts';

/** Folders that every account can reach and that systems keep free. */
const places = ['/mnt', '/media', '/srv'];

export interface MountedImage {
  /** Where the command finds the image's files. */
  readonly folder: string;
  /** Words before the command. */
  readonly prefix: readonly string[];
}

/**
 * Lets a command that runs under an account of nobody's see an image's files. Those lie below folders that may be root's
 * alone, so they are shown at another place, in a mount namespace of the command's own, which ends with it. A command of
 * the worker's own account (`uid` undefined) finds them where they are.
 */
export async function mountImage(image: SandboxImage, uid: number | undefined): Promise<MountedImage> {
  const folder = await image.directory();
  if (uid === undefined) return { folder, prefix: [] };
  const at = places.find((path) => statSync(path, { throwIfNoEntry: false })?.isDirectory());
  if (at === undefined) {
    throw new QuorateError(
      'SANDBOX_UNAVAILABLE',
      `there is no folder ${places.join(', ')} to show an image at`,
      {
        hint: `mkdir ${places[0]}`,
      },
    );
  }
  const script = '"$1" --bind "$2" "$3"; shift 3; exec "$@"';
  return {
    folder: at,
    prefix: [
      ...[requireTool('unshare'), '--mount', '--propagation', 'private', '--'],
      ...[requireTool('bash'), '--norc', '-euc', script, 'quorate-show', requireTool('mount'), folder, at],
    ],
  };
}
