import { execFile } from 'node:child_process';
import { copyFile, cp, mkdir, open, readdir, rm, stat, statfs, truncate } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
import type { Ground, Part } from '../../e2e/support/ground.ts';

const exec = promisify(execFile);
const timeoutMs = 20_000;
/** Of the file system that a home has to itself: enough for the artifacts and sandboxes of a hundred small runs. */
const homeMiB = 512;

const fillTriesMax = 20;

/** Written by whoever runs a node, or for a moment: all else a node writes and reads again. */
const passedOver = /(^|\/)(\.git|sandbox|tmp-[^/]*)(\/|$)|\.(sock|new|toml)$|-shm$/;

export interface HomeFile {
  path: string;
  /** The same name without what differs from file to file: ids, hashes, numbers. */
  kind: string;
  bytes: number;
}

/** Homes of parts, each a file system of its own, so that one can be full. */
export class Homes {
  readonly #ground: Ground;
  readonly #mounted: string[] = [];
  /** How often each kind of file was damaged, by home and kind. */
  readonly #met = new Map<string, number>();

  constructor(ground: Ground) {
    this.#ground = ground;
  }

  async mount(parts: readonly Part[]): Promise<void> {
    for (const part of parts) {
      const dir = this.#ground.home(part);
      await mkdir(dir, { recursive: true });
      await exec('mount', ['-t', 'tmpfs', '-o', `size=${homeMiB}m,mode=700`, 'quorate-chaos', dir], {
        timeout: timeoutMs,
      });
      this.#mounted.push(dir);
    }
  }

  async unmount(): Promise<void> {
    for (const dir of this.#mounted.splice(0))
      await exec('umount', [dir], { timeout: timeoutMs }).catch(() =>
        exec('umount', ['--lazy', dir], { timeout: timeoutMs }),
      );
  }

  /** Takes all room that is left; the result gives it back. */
  async fill(part: Part): Promise<() => Promise<void>> {
    const home = this.#ground.home(part);
    const made: string[] = [];
    // Its node may take meanwhile what was free a moment ago.
    for (let tries = 0; tries < fillTriesMax; tries++) {
      const { bavail, bsize } = await statfs(home);
      if (bavail === 0) break;
      const file = join(home, `ballast-${tries}`);
      made.push(file);
      await exec('fallocate', ['--length', String(bavail * bsize), file], { timeout: timeoutMs }).catch(
        () => {},
      );
    }
    return async () => {
      for (const file of made) await rm(file, { force: true });
    };
  }

  /** Files of a part in the order of their names. */
  async files(part: Part): Promise<HomeFile[]> {
    const home = this.#ground.home(part);
    const entries = await readdir(home, { recursive: true, withFileTypes: true });
    const found: HomeFile[] = [];
    for (const entry of entries) {
      const path = join(entry.parentPath, entry.name);
      const name = relative(home, path);
      if (!entry.isFile() || passedOver.test(name)) continue;
      const { size } = await stat(path);
      if (size > 0) found.push({ path, kind: kindOf(name), bytes: size });
    }
    return found.sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  /** The file of a part that a fault meets: of the kinds that were met least often, so that each has its turn. */
  async pick(part: Part, at: number): Promise<HomeFile | undefined> {
    const files = await this.files(part);
    const kinds = [...new Set(files.map(({ kind }) => kind))].sort();
    const metOf = (kind: string) => this.#met.get(`${part} ${kind}`) ?? 0;
    const least = Math.min(...kinds.map(metOf));
    const kind = nth(
      kinds.filter((one) => metOf(one) === least),
      at,
    );
    const file = nth(
      files.filter((one) => one.kind === kind),
      at,
    );
    if (file !== undefined) this.#met.set(`${part} ${file.kind}`, metOf(file.kind) + 1);
    return file;
  }

  /** Parts of whose store a file was damaged. */
  get damagedStores(): readonly Part[] {
    const found = [...this.#met.keys()].flatMap((key) => /^(\w+) (\.quorate\/)?store\//.exec(key)?.[1] ?? []);
    return [...new Set(found as Part[])];
  }

  /** Kinds of files that were damaged, by part. */
  get met(): number {
    return this.#met.size;
  }

  get #copies(): string {
    return join(this.#ground.hosts.dir, 'copies');
  }

  dropCopies(): Promise<void> {
    return rm(this.#copies, { recursive: true, force: true });
  }

  /** A copy of all that a part keeps, as `cp -a` makes one. */
  async copy(part: Part): Promise<string> {
    const to = join(this.#copies, part);
    await rm(to, { recursive: true, force: true });
    await cp(this.#ground.home(part), to, {
      recursive: true,
      preserveTimestamps: true,
      verbatimSymlinks: true,
      filter: (from) => !from.endsWith('.sock'),
    });
    return to;
  }

  /** Puts the whole copy back, where there is one. */
  async putAllBack(part: Part): Promise<void> {
    const home = this.#ground.home(part);
    const copy = join(this.#copies, part);
    if ((await stat(copy).catch(() => undefined)) === undefined) return;
    for (const name of await readdir(home)) await rm(join(home, name), { recursive: true, force: true });
    await cp(copy, home, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
  }

  /** Puts one file back from the copy, with the files that belong to it. */
  async putBack(part: Part, file: string): Promise<void> {
    const [home, copy] = [this.#ground.home(part), join(this.#copies, part)];
    const main = file.replace(/-wal$/, '');
    for (const path of /\.db$/.test(main) ? [main, `${main}-wal`, `${main}-shm`] : [main]) {
      const from = join(copy, relative(home, path));
      await rm(path, { force: true });
      if ((await stat(from).catch(() => undefined)) !== undefined) await copyFile(from, path);
    }
  }
}

const nth = <T>(all: readonly T[], millionth: number): T | undefined =>
  all[Math.floor((all.length * millionth) / 1_000_000)];

function kindOf(name: string): string {
  return name
    .split('/')
    .map((part) => part.replace(/[0-9A-Za-z_-]{20,}/g, '*').replace(/\d+/g, 'N'))
    .join('/');
}

/** Cuts a file off, or flips a bit of it, in place. */
export async function damage(
  { path, bytes }: HomeFile,
  how: { kind: 'flip'; at: number; bit: number } | { kind: 'cut'; at: number },
): Promise<string> {
  const at = Math.floor((bytes * how.at) / 1_000_000);
  if (how.kind === 'cut') {
    await truncate(path, at);
    return `cut to ${at} of ${bytes} bytes`;
  }
  const file = await open(path, 'r+');
  try {
    const byte = Buffer.alloc(1);
    await file.read(byte, 0, 1, at);
    byte[0] = (byte[0] ?? 0) ^ (1 << how.bit);
    await file.write(byte, 0, 1, at);
  } finally {
    await file.close();
  }
  return `bit ${how.bit} of byte ${at} of ${bytes}`;
}
