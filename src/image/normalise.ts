import { posix } from 'node:path';
import { QuorateError } from '../protocol/base/errors.ts';
import { limits } from '../protocol/base/limits.ts';
import { tooLarge } from './errors.ts';
import type { Content, Folder, Node, Root } from './root-tree.ts';

export type Entry = { path: string } & (
  | { kind: 'dir' }
  | { kind: 'link'; target: string }
  | { kind: 'file'; content: Content; executable: boolean }
);

/** Folders that are emptied: the sandbox mounts over them, or they belong to a running system. */
const emptied = ['build', 'dev', 'proc', 'run', 'sys'];
/** Files that the sandbox mounts over, so they are empty in every image. */
const covered = ['etc/group', 'etc/hosts', 'etc/nsswitch.conf', 'etc/passwd'];
/** Files that are specific to a host, or written by image tools. */
const dropped = ['.dockerenv', 'etc/hostname', 'etc/machine-id', 'etc/mtab', 'etc/resolv.conf'];

const noContent: Content = { layer: -1, at: 0, size: 0 };

/**
 * Brings a root file system into normal form (docs/images.md): the result does not depend on the host that made it, and every
 * mount point of the sandbox exists and is not a link.
 * @param cleared further folders to empty
 * @throws IMAGE_UNFIT, IMAGE_TOO_LARGE
 */
export function normaliseRoot(root: Root, cleared: readonly string[] = []): Entry[] {
  const top = root.top.children;
  for (const name of emptied) top.set(name, { kind: 'dir', children: new Map(), layer: 0 });
  top.set('tmp', { kind: 'link', target: 'build/tmp', layer: 0 });
  if (!top.has('etc')) root.addFolder(['etc'], 0);
  const etc = top.get('etc');
  if (etc?.kind !== 'dir')
    throw new QuorateError('IMAGE_UNFIT', 'the image is not a root file system: its /etc is not a folder', {
      hint: 'An image is the root file system of a system: see docs/images.md.',
    });
  for (const path of dropped) folderAt(root, path)?.children.delete(posix.basename(path));
  for (const path of covered)
    etc.children.set(posix.basename(path), { kind: 'file', content: noContent, executable: false, layer: 0 });
  for (const path of cleared) {
    const found = root.find(path.split('/'));
    if (found?.kind === 'dir') found.children.clear();
  }
  const entries: Entry[] = [];
  list(root.top, '', entries);
  return entries;
}

/** The parent folder of a path. Links are not followed: their targets are handled under their own names. */
function folderAt(root: Root, path: string): Folder | undefined {
  const parent = posix.dirname(path);
  const found = parent === '.' ? root.top : root.top.children.get(parent);
  return found?.kind === 'dir' ? found : undefined;
}

function list(at: Folder, path: string, into: Entry[]): void {
  const names = [...at.children.keys()].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  for (const name of names) {
    const node = at.children.get(name) as Node;
    const below = path === '' ? name : `${path}/${name}`;
    if (into.length >= limits.treeEntriesMax)
      throw tooLarge(`the image has over ${limits.treeEntriesMax} entries`);
    if (node.kind === 'link')
      into.push({ path: below, kind: 'link', target: relativeTarget(below, node.target) });
    else if (node.kind === 'file')
      into.push({ path: below, kind: 'file', content: node.content, executable: node.executable });
    else {
      into.push({ path: below, kind: 'dir' });
      list(node, below, into);
    }
  }
}

/** A relative target that leads to the same file below any root. `path` has no links above it. `..` at the root is ignored, as by the kernel. */
export function relativeTarget(path: string, target: string): string {
  const depth = path.split('/').length - 1;
  if (target.startsWith('/')) {
    const rest = target.split('/').filter((part) => part !== '' && part !== '.');
    while (rest[0] === '..') rest.shift();
    return [...Array<string>(depth).fill('..'), ...rest].join('/') || '.';
  }
  const parts = target.split('/').filter((part) => part !== '');
  let up = 0;
  const kept = parts.filter((part, index) => {
    const isLeading = parts.slice(0, index).every((before) => ['..', '.'].includes(before));
    if (part !== '..' || !isLeading) return true;
    up += 1;
    return up <= depth;
  });
  return kept.join('/') || '.';
}
