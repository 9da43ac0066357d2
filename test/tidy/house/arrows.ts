import { posix } from 'node:path';
import { type Finding, importsOf, isCode, lineAt, type Source } from './source.ts';

const siblings = [
  'src/egress',
  'src/forge',
  'src/mesh',
  'src/store',
  'src/transfer',
  'src/journal',
  'src/source',
  'src/dependencies',
  'src/identity',
  'src/image',
  'src/jobfile',
  'src/witness',
  'sandbox',
];
const core = 'src/protocol';

/** Folders that each folder may import besides itself. Arrows point down only; siblings know nothing of each other. */
const mayImport: Record<string, readonly string[]> = {
  [core]: [],
  ...Object.fromEntries(siblings.map((folder) => [folder, [core]])),
  'src/runtime': ['src/program.ts', ...siblings, core],
  'src/http': ['src/runtime', ...siblings, core],
  // A program's facts about itself.
  'src/program.ts': [],
  // The front door for other programs.
  'src/index.ts': ['src/runtime', ...siblings, core],
  'src/cli': ['src/program.ts', 'src/http', 'src/runtime', ...siblings, core],
  bootstrap: ['src/program.ts', 'src/http', 'src/runtime', 'src/mesh', 'src/identity', core],
  simulations: [core],
};

/**
 * Folders that are divided into rooms, and their levels from the lowest up. A room may import those of lower levels; those of
 * one level know nothing of each other. Files that lie in the folder itself (`src/protocol/base/limits.ts`) are below all rooms.
 */
const levels: Record<string, readonly (readonly string[])[]> = {
  [core]: [
    ['documents'],
    ['transparency', 'judge', 'pipeline', 'dependencies'],
    ['trust'],
    ['wire', 'interop'],
    ['account'],
    ['controller', 'idp', 'worker', 'store'],
    ['sessions'],
  ],
  'src/runtime': [
    ['node'],
    ['artifacts', 'membership', 'images', 'build'],
    ['client', 'trial', 'controller', 'idp', 'worker', 'store'],
    ['comparison', 'hooks', 'watch'],
    ['backup'],
  ],
};

/** `src/store`, `sandbox`. */
export function folderOf(path: string): string {
  const [top = '', second = ''] = path.split('/');
  return top === 'src' ? `src/${second}` : top;
}

/** The folders that one may import. */
export const importable = (folder: string): readonly string[] => mayImport[folder] ?? [];

/** The room of a file within its folder: empty for a file of the folder itself. */
function roomOf(path: string, folder: string): string {
  const parts = path.slice(folder.length + 1).split('/');
  return parts.length > 1 ? (parts[0] ?? '') : '';
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
  const allowed = mayImport[from];
  if (allowed === undefined) {
    return from.startsWith('src/') ? finding(1, `${from} has no place in the order of folders`) : [];
  }
  const room = roomOf(source.path, from);
  const level = levels[from] === undefined ? 0 : levelOf(from, room);
  if (level === undefined) return finding(1, `${from}/${room} has no place in the order of rooms`);
  return importsOf(source).flatMap(({ specifier, offset }) => {
    if (!specifier.startsWith('.')) return [];
    const target = posix.join(posix.dirname(source.path), specifier);
    const line = lineAt(source.text, offset);
    const to = folderOf(target);
    if (to !== from) return allowed.includes(to) ? [] : finding(line, `${from} must not import ${to}`);
    const toRoom = roomOf(target, to);
    if (levels[from] === undefined || toRoom === room) return [];
    const toLevel = levelOf(to, toRoom);
    if (toLevel !== undefined && toLevel < level) return [];
    return finding(line, `${from}/${room} must not import ${to}/${toRoom}`);
  });
}
