import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { requireTool } from '../host.ts';
import type { SandboxImage } from '../types.ts';
import { type FileCache, sha256Of } from './file-cache.ts';
import { withLibraries } from './host-programs.ts';

/** Programs that the driver and the probe's jobs run. */
const programs =
  'cat cut date dd env grep head id ls rm setpriv sh sleep tail tar tr true uname unshare wc'.split(' ');

/** Top-level links of a merged /usr. */
const links = ['bin', 'sbin', 'lib', 'lib64'];

/** A small image made from the host's programs, so that a probe needs no image of a project. */
export function probeImage(cache: FileCache, signal: AbortSignal): SandboxImage {
  let made: Promise<string> | undefined;
  return {
    cid: 'probe',
    directory: () => Promise.reject(new Error('the image of the probe exists as EROFS only')),
    erofs: () => {
      made ??= make(cache, signal);
      return made;
    },
  };
}

async function make(cache: FileCache, signal: AbortSignal): Promise<string> {
  const files = withLibraries(programs).map(({ path, from }) => ({ path: inUsr(path), from }));
  const key = sha256Of(...files.flatMap(({ path, from }) => [path, readFileSync(from)]));
  return cache.file('probe', key, async (target) => {
    const tree = `${target}.tree`;
    try {
      for (const { path, from } of files) {
        mkdirSync(dirname(join(tree, path)), { recursive: true });
        copyFileSync(from, join(tree, path));
      }
      for (const name of links) {
        mkdirSync(join(tree, 'usr', name), { recursive: true });
        symlinkSync(`usr/${name}`, join(tree, name));
      }
      // Deterministic: no times, no owners, no random UUID.
      const options = ['-T0', '--all-root', '-x-1', '-U00000000-0000-0000-0000-000000000000', '--quiet'];
      await promisify(execFile)(requireTool('mkfs.erofs'), [...options, target, tree], { signal });
    } finally {
      await rm(tree, { recursive: true, force: true });
    }
  });
}

const inUsr = (path: string): string => (path.startsWith('/usr/') ? path : `/usr${path}`);
