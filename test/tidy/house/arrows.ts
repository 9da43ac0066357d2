import { posix } from 'node:path';
import { type Finding, importsOf, isCode, lineAt, type Source } from './source.ts';

const siblings = [
  'src/egress',
  'src/mesh',
  'src/store',
  'src/transfer',
  'src/journal',
  'src/source',
  'src/identity',
  'src/image',
  'src/jobfile',
  'sandbox',
];
const core = 'src/core';

/** What each folder may import besides itself. Arrows point down only; siblings know nothing of each other. */
const mayImport: Record<string, readonly string[]> = {
  [core]: [],
  ...Object.fromEntries(siblings.map((folder) => [folder, [core]])),
  'src/runtime': [...siblings, core],
  'src/http': ['src/runtime', ...siblings, core],
  // The front door for other programs.
  'src/index.ts': ['src/runtime', ...siblings, core],
  'src/cli': ['src/http', 'src/runtime', ...siblings, core],
  bootstrap: ['src/mesh', 'src/identity', core],
  simulations: [core],
};

function folderOf(path: string): string {
  const [top = '', second = ''] = path.split('/');
  return top === 'src' ? `src/${second}` : top;
}

/** Imports that point up or sideways. */
export function arrows(source: Source): Finding[] {
  const from = folderOf(source.path);
  const allowed = mayImport[from];
  if (!isCode(source.path)) return [];
  if (allowed === undefined) {
    const isUnknown = from.startsWith('src/');
    return isUnknown
      ? [
          {
            rule: 'arrows',
            path: source.path,
            line: 1,
            message: `${from} has no place in the order of folders`,
          },
        ]
      : [];
  }
  return importsOf(source).flatMap(({ specifier, offset }) => {
    if (!specifier.startsWith('.')) return [];
    const to = folderOf(posix.join(posix.dirname(source.path), specifier));
    if (to === from || allowed.includes(to)) return [];
    return [
      {
        rule: 'arrows',
        path: source.path,
        line: lineAt(source.text, offset),
        message: `${from} must not import ${to}`,
      },
    ];
  });
}
