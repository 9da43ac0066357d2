import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

export type HomeRole = 'controller' | 'idp' | 'store' | 'watch';

/** Files of a home, by their path below it, with * for any characters within one name. */
interface Part {
  path: string;
  /** `journal`: a database that its process holds. `key`, and `bytes` that peers or commands have again: only copied when asked for. */
  kind: 'file' | 'journal' | 'key' | 'bytes';
}

export interface HomeKind {
  /** Of which one always is there. */
  marks: readonly string[];
  /** In the order of copying: a checkpoint before the journal, which may have more leaves and never fewer; pins after what needs them, then packs. */
  parts: readonly Part[];
  /** Names at the top of the home that are made anew, or are of one life of the process. */
  madeAnew: readonly string[];
}

/** Where the home of a process is looked for. */
export const noHomeHint = (role: HomeRole): string =>
  role === 'controller' || role === 'idp'
    ? 'Run it in the folder in which that process runs.'
    : 'Name the home of that process: --home <folder>.';

const files = (kind: Part['kind'], ...paths: readonly string[]): Part[] =>
  paths.map((path) => ({ path, kind }));

export const projectKeys = ['controller.key', 'idp.key', 'root.key', 'keys/*.key'];
const signIn = ['sign-in.toml', 'sign-in.toml.ended.json'];

export const homes: Readonly<Record<HomeRole, HomeKind>> = {
  controller: {
    marks: ['controller.db', 'controller.key'],
    parts: [
      ...files('file', 'checkpoint.txt'),
      ...files('journal', 'controller.db'),
      ...files('file', 'charter.jws', 'controller.json', 'revocations/*.json', ...signIn, 'logs/*.log'),
      ...files('file', 'store/pins.log'),
      ...files('bytes', 'store/public/*.car', 'images/*.car', 'images/*.json'),
      ...files('key', ...projectKeys),
    ],
    // "unused" says that nothing was signed yet, which is true of this one moment; what "quorate up" plays is another project.
    madeAnew: ['peers.json', 'control', 'bundles', 'unused', 'up'],
  },
  idp: {
    marks: ['idp.db', 'idp.key'],
    parts: [
      ...files('journal', 'idp.db'),
      ...files('file', 'charter.jws', 'controller.json', 'revocations/*.json', ...signIn),
      ...files('key', ...projectKeys),
    ],
    madeAnew: ['peers.json'],
  },
  store: {
    marks: ['store-*.json'],
    parts: [
      ...files('file', 'store-*.json', 'charter-*.jws', 'revocations/*.json', 'projects/*.json'),
      // Without the bytes the ledger has them fetched again, each with its bundle; pins would say that they are here.
      ...files('bytes', 'store/pins.log', 'bundles/*.json', 'store/public/*.car'),
      ...files('key', 'node.key'),
    ],
    madeAnew: ['peers.json', 'control', 'tmp'],
  },
  watch: {
    marks: ['watch-*.db'],
    parts: [
      // A hook of this home must not run again for what it ran for.
      ...files('journal', 'watch-*.db', 'hooks/*/*/journal.db'),
      ...files('file', 'watch.toml', 'watch-log-*.txt', 'projects/*.json', 'revocations/*.json'),
      ...files('file', 'told-alarms-*.json'),
      ...files('key', 'node.key', 'sign-ins.json'),
    ],
    madeAnew: ['peers.json', 'control', 'tmp', 'watch', 'sandbox', 'image-cache', 'dependencies'],
  },
};

/** Databases that a process of a home holds while it runs, whichever its role. */
export const databases = ['*.db', 'hooks/*/*/journal.db', 'store/public/index.db'];

/** Plain files that a path of a part names, sorted, relative to the home; a link is what it leads to. */
export async function filesIn(dir: string, path: string): Promise<string[]> {
  const [name = '', ...rest] = path.split('/');
  const fits = new RegExp(`^${name.replaceAll('.', '\\.').replaceAll('*', '.*')}$`);
  const entries = await readdir(dir, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return [];
    throw error;
  });
  const found: string[] = [];
  for (const entry of entries.filter((one) => fits.test(one.name))) {
    const to = entry.isSymbolicLink() ? await stat(join(dir, entry.name)).catch(() => entry) : entry;
    if (rest.length === 0) {
      if (to.isFile()) found.push(entry.name);
    } else if (to.isDirectory())
      for (const below of await filesIn(join(dir, entry.name), rest.join('/')))
        found.push(`${entry.name}/${below}`);
  }
  return found.sort();
}

export async function isHome(dir: string, { marks }: HomeKind): Promise<boolean> {
  for (const mark of marks) if ((await filesIn(dir, mark)).length > 0) return true;
  return false;
}

/** Names at the top of a home that no part of it has, and that are not made anew. */
export async function othersIn(dir: string, { parts, madeAnew }: HomeKind): Promise<string[]> {
  const known = new Set<string>(madeAnew);
  for (const { path } of parts) {
    const [top = ''] = path.split('/');
    if (path.includes('/')) known.add(top);
    for (const file of await filesIn(dir, top)) known.add(file);
  }
  const names = await readdir(dir);
  return names.filter((name) => !known.has(name) && !/-(?:wal|shm|synced)$|\.new$/.test(name)).sort();
}
