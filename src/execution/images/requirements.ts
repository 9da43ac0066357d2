import { imageLimits } from '../../image/limits.ts';
import { QuorateError } from '../../protocol/base/errors.ts';
import type { Store, TreeEntry } from '../../store/index.ts';
import { imageCacheLimits } from './limits.ts';

/** Folders of programs, in the order of a build's PATH. */
const toolFolders = ['usr/local/sbin', 'usr/local/bin', 'usr/sbin', 'usr/bin', 'sbin', 'bin'];

/** Programs that the sandbox runs inside of an image, and a text that only the required implementation contains. */
const tools: readonly { name: string; at?: string; holds?: string; is: string }[] = [
  { name: 'sh', at: 'bin/sh', is: '/bin/sh' },
  { name: 'cat', is: 'cat (coreutils)' },
  { name: 'env', is: 'env (coreutils)' },
  { name: 'rm', is: 'rm (coreutils)' },
  { name: 'sleep', is: 'sleep (coreutils)' },
  { name: 'tar', holds: 'GNU tar', is: 'GNU tar (busybox has another)' },
  { name: 'setpriv', holds: 'bounding-set', is: 'setpriv (util-linux; busybox has another)' },
];

const folders = ['build', 'dev', 'etc', 'proc', 'run', 'sys'];
const files = ['etc/group', 'etc/hosts', 'etc/nsswitch.conf', 'etc/passwd'];

/**
 * Whether an untrusted tree can be the root of a build: mount points that are no links, and programs that the sandbox runs.
 * @throws IMAGE_UNFIT, and as the store
 */
export async function checkImageRequirements(store: Store, image: string): Promise<void> {
  const at = (path: string): Promise<TreeEntry | undefined> => store.resolve(image, path);
  if ((await at(''))?.kind !== 'dir') throw unfit(image, 'it is a file');
  for (const path of folders)
    if ((await at(path))?.kind !== 'dir') throw unfit(image, `it has no folder /${path}`);
  for (const path of files)
    if ((await at(path))?.kind !== 'file') throw unfit(image, `it has no file /${path}`);
  const tmp = await at('tmp');
  if (tmp?.target !== 'build/tmp') throw unfit(image, 'its /tmp is not a link to build/tmp');
  const missing: string[] = [];
  for (const tool of tools) if (!(await hasTool(store, image, tool))) missing.push(tool.is);
  if (missing.length === 0) return;
  throw new QuorateError('IMAGE_UNFIT', `the image lacks ${missing.join(', ')}`, {
    hint: 'The sandbox runs these inside of it: install them in the image (Debian: dash, coreutils, tar, util-linux).',
  });
}

const unfit = (image: string, why: string): QuorateError =>
  new QuorateError('IMAGE_UNFIT', `${image} cannot be the root of a build: ${why}`, {
    hint: 'Create images with "quorate image build" or "quorate image import"; docs/images.md lists the requirements.',
  });

async function hasTool(
  store: Store,
  image: string,
  { name, at, holds }: { name: string; at?: string; holds?: string },
): Promise<boolean> {
  for (const path of at === undefined ? toolFolders.map((folder) => `${folder}/${name}`) : [at]) {
    const found = await follow(store, image, path);
    if (found?.kind !== 'file' || !found.executable) continue;
    if (holds === undefined) return true;
    if (found.size > imageCacheLimits.toolBytesMax) return false;
    const bytes = await store.readBytes(found.cid, { maxBytes: found.size });
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).includes(holds);
  }
  return false;
}

/** Resolves a path in the image, following links as the kernel does for a process with this root. */
async function follow(store: Store, image: string, path: string): Promise<TreeEntry | undefined> {
  const todo = path.split('/').reverse();
  let way: string[] = [];
  let found: TreeEntry | undefined;
  for (let follows = 0; ; ) {
    const part = todo.pop();
    if (part === undefined) return found;
    if (part === '' || part === '.') continue;
    if (part === '..') {
      way.pop();
      continue;
    }
    found = await store.resolve(image, [...way, part].join('/'));
    if (found === undefined) return undefined;
    if (found.target === undefined) way.push(part);
    else {
      follows += 1;
      if (follows > imageLimits.linksMax) return undefined;
      if (found.target.startsWith('/')) way = [];
      todo.push(...found.target.split('/').reverse());
    }
  }
}
