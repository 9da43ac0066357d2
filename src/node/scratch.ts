import { existsSync, readlinkSync } from 'node:fs';
import { lstat, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const prefix = 'quorate-';
const kinds = ['image', 'run', 'fetch', 'try', 'diff', 'watch', 'check', 'service'] as const;
const madePattern = new RegExp(`^${prefix}(?:${kinds.join('|')})-(\\d+)-(\\d+)-\\w{6}$`);

/** The namespace of process ids, as containers may share a folder of temporary files; empty where /proc says nothing. */
function namespaceOfPids(): string {
  try {
    return /\[(\d+)\]$/.exec(readlinkSync('/proc/self/ns/pid'))?.[1] ?? '';
  } catch {
    return '';
  }
}

/** Makes a folder for temporary files, named after its process, and removes those of this account whose process was killed. */
export async function makeScratch(kind: (typeof kinds)[number]): Promise<string> {
  const namespace = namespaceOfPids();
  await sweep(namespace).catch(() => undefined);
  return mkdtemp(join(tmpdir(), `${prefix}${kind}-${namespace}-${process.pid}-`));
}

async function sweep(namespace: string): Promise<void> {
  if (namespace === '') return;
  for (const name of await readdir(tmpdir())) {
    const [, made, pid] = madePattern.exec(name) ?? [];
    if (made !== namespace || pid === undefined || existsSync(`/proc/${pid}`)) continue;
    // Others write there too: one that cannot be removed keeps none of the others.
    await remove(join(tmpdir(), name)).catch(() => undefined);
  }
}

async function remove(path: string): Promise<void> {
  const { uid } = await lstat(path);
  if (uid === process.getuid?.()) await rm(path, { recursive: true, force: true });
}
