import { posix } from 'node:path';
import { type Finding, importsOf, isCode, lineAt, type Source } from './source.ts';

const outside = ['egress', 'forge', 'mesh', 'store', 'transfer', 'journal', 'source', 'dependencies']
  .concat(['identity', 'image', 'jobfile', 'witness'])
  .map((name) => `src/${name}`)
  .concat('sandbox');
export const roles = ['controller', 'worker', 'client', 'store-node', 'idp', 'watcher'].map(
  (name) => `src/${name}`,
);

/** Folders from the lowest floor up. A folder may import those of lower floors; those of one floor know nothing of each other. */
const floors: readonly (readonly string[])[] = [
  ['src/protocol', 'src/program.ts'],
  outside,
  ['src/node'],
  ['src/http'],
  ['src/terminal'],
  ['src/execution'],
  ['src/owner'],
  ['src/member'],
  roles,
  // The front door for other programs.
  ['src/index.ts'],
  // Reads the homes of all processes.
  ['src/backup'],
  ['src/cli'],
];

/** Folders that may import less than all below them. */
const mayImport: Record<string, readonly string[]> = {
  ...Object.fromEntries(outside.map((folder) => [folder, ['src/protocol']])),
  bootstrap: ['src/program.ts', 'src/http', 'src/node', 'src/mesh', 'src/identity', 'src/protocol'],
  // Of roles only what is pure, as its project of TypeScript has no reference to anything else.
  simulations: ['src/protocol', ...roles],
};

/**
 * Rooms of a folder, from the lowest level up. A room may import those of lower levels; those of one level know nothing of each other. Files
 * that lie in the folder itself are below all rooms, but for those that are named here.
 */
const ofRole = [['machine'], ['sessions'], ['node'], ['page'], ['commands']];
const levels: Record<string, readonly (readonly string[])[]> = {
  // State and events at the bottom, the dispatcher at the top: a transition calls downwards only.
  'src/controller/machine': [['members'], ['verdicts'], ['rounds'], ['inputs'], ['queries'], ['machine.ts']],
  'src/protocol': [
    ['base'],
    ['documents'],
    ['transparency', 'judge', 'pipeline', 'lock-formats'],
    ['trust'],
    ['wire', 'interop'],
    ['account'],
    ['sessions'],
  ],
  ...Object.fromEntries(roles.map((role) => [role, ofRole])),
  'src/client': [['trial'], ['comparison'], ['commands']],
  'src/node': [['artifacts', 'membership'], ['kernel']],
  'src/mesh': [
    ['libp2p'],
    ['gossip.ts'],
    ['libp2p-node.ts'],
    ['connection-pruner.ts'],
    ['protocol-server.ts'],
    ['node.ts'],
    ['index.ts'],
  ],
};

/** `src/store`, `sandbox`. */
export function folderOf(path: string): string {
  const [top = '', second = ''] = path.split('/');
  return top === 'src' ? `src/${second}` : top;
}

/** The folders that one may import; undefined where it has no place. */
export function importable(folder: string): readonly string[] | undefined {
  const floor = floors.findIndex((some) => some.includes(folder));
  return mayImport[folder] ?? (floor === -1 ? undefined : floors.slice(0, floor).flat());
}

/** The room of a file within its folder: empty for a file of the folder itself. */
function roomOf(path: string, folder: string): string {
  const parts = path.slice(folder.length + 1).split('/');
  const [room = ''] = parts;
  return parts.length > 1 || levels[folder]?.flat().includes(room) ? room : '';
}

/** The level of a room, 0 for files of the folder itself; undefined when it has none. */
function levelOf(folder: string, room: string): number | undefined {
  if (room === '') return 0;
  const index = (levels[folder] ?? []).findIndex((rooms) => rooms.includes(room));
  return index === -1 ? undefined : index + 1;
}

/** Imports that point up or sideways, and folders and rooms that have no level. */
export function arrows(source: Source): Finding[] {
  if (!isCode(source.path)) return [];
  const from = folderOf(source.path);
  const finding = (line: number, message: string): Finding[] => [
    { rule: 'arrows', path: source.path, line, message },
  ];
  const allowed = importable(from);
  if (allowed === undefined) {
    return from.startsWith('src/') ? finding(1, `${from} has no place in the order of folders`) : [];
  }
  const holders = Object.keys(levels).filter((folder) => source.path.startsWith(`${folder}/`));
  for (const folder of holders) {
    const room = roomOf(source.path, folder);
    if (levelOf(folder, room) === undefined)
      return finding(1, `${folder}/${room} has no place in the order of rooms`);
  }
  return importsOf(source).flatMap(({ specifier, offset }) => {
    if (!specifier.startsWith('.')) return [];
    const target = posix.join(posix.dirname(source.path), specifier);
    const line = lineAt(source.text, offset);
    const to = folderOf(target);
    if (to !== from) return allowed.includes(to) ? [] : finding(line, `${from} must not import ${to}`);
    return holders.flatMap((folder) => {
      if (!target.startsWith(`${folder}/`)) return [];
      const [room, toRoom] = [roomOf(source.path, folder), roomOf(target, folder)];
      const [level = 0, toLevel] = [levelOf(folder, room), levelOf(folder, toRoom)];
      if (toRoom === room || (toLevel !== undefined && toLevel < level)) return [];
      return finding(line, `${folder}/${room} must not import ${folder}/${toRoom}`);
    });
  });
}
