import { existsSync, readlinkSync } from 'node:fs';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const prefix = 'quorate-';

/** The namespace of process ids, as containers may share a folder of temporary files; empty where /proc says nothing. */
function namespaceOfPids(): string {
  try {
    return /\[(\d+)\]$/.exec(readlinkSync('/proc/self/ns/pid'))?.[1] ?? '';
  } catch {
    return '';
  }
}

/**
 * Makes a folder for temporary files, named after its process, and removes those of this account whose process was killed
 * before it could.
 */
export async function makeScratch(
  kind: 'image' | 'run' | 'fetch' | 'try' | 'diff' | 'watch' | 'check',
): Promise<string> {
  const namespace = namespaceOfPids();
  await sweep(namespace).catch(() => undefined);
  return mkdtemp(join(tmpdir(), `${prefix}${kind}-${namespace}-${process.pid}-`));
}

async function sweep(namespace: string): Promise<void> {
  if (namespace === '') return;
  for (const name of await readdir(tmpdir())) {
    const [, made, pid] =
      /^quorate-(?:image|run|fetch|try|diff|watch|check)-(\d+)-(\d+)-\w{6}$/.exec(name) ?? [];
    if (made !== namespace || pid === undefined || existsSync(`/proc/${pid}`)) continue;
    const path = join(tmpdir(), name);
    const { uid } = await stat(path);
    if (uid === process.getuid?.()) await rm(path, { recursive: true, force: true });
  }
}
