import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { folderOf } from './arrows.ts';
import { type Ast, isAst, isCode, root, type Source, treeOf } from './source.ts';

/** The functions that carry one job, in the order of their calls. */
export const walkFile = 'scripts/walk.txt';

export interface Place {
  /** Line in `walkFile`, from 1. */
  line: number;
  path: string;
  name: string;
}

/** The entries of a walk: `PATH FUNCTION` a line; lines with `#` and empty ones are for readers. */
export function placesIn(text: string): Place[] {
  return text.split('\n').flatMap((entry, at) => {
    const [, path, name] = /^([^#\s]\S*) (#?\w+)$/.exec(entry) ?? [];
    if (path !== undefined && name !== undefined) return [{ line: at + 1, path, name }];
    if (entry === '' || entry.startsWith('#')) return [];
    throw new Error(`${walkFile}:${at + 1}: expected PATH FUNCTION`);
  });
}

const functionTypes: ReadonlySet<string> = new Set(['ArrowFunctionExpression', 'FunctionExpression']);
const isFunction = (value: unknown): boolean => isAst(value) && functionTypes.has(value.type);

/** Names of the functions and methods that a file defines; those of private methods with `#`. */
function functionsIn(source: Source): Set<string> {
  const names = new Set<string>();
  const add = (key: unknown) => {
    const { type, name } = key as { type: string; name: string };
    names.add(type === 'PrivateIdentifier' ? `#${name}` : name);
  };
  const visit = (node: Ast): void => {
    if (node.type === 'FunctionDeclaration') add(node.id);
    else if (node.type === 'VariableDeclarator' && isFunction(node.init)) add(node.id);
    else if ((node.type === 'MethodDefinition' || node.type === 'Property') && isFunction(node.value))
      add(node.key);
    for (const value of Object.values(node).flat()) if (isAst(value)) visit(value);
  };
  visit(treeOf(source));
  return names;
}

const sourceAt = (path: string): Source => ({ path, text: readFileSync(join(root, path), 'utf8') });

/** Entries whose file has no such function, with the files that have one; where one of these is in a folder beside it, that one. */
export function lostIn(
  places: readonly Place[],
  files: readonly Source[],
): (Place & { elsewhere: string[] })[] {
  const known = new Map<string, ReadonlySet<string>>();
  const functions = (path: string) => {
    const names = known.get(path) ?? (existsSync(join(root, path)) ? functionsIn(sourceAt(path)) : new Set());
    known.set(path, names);
    return names;
  };
  return places
    .filter(({ path, name }) => !functions(path).has(name))
    .map((place) => {
      const bare = place.name.replace('#', '');
      const elsewhere = files
        .filter(({ path, text }) => isCode(path) && /^(src|sandbox)\//.test(path) && text.includes(bare))
        .filter(({ path }) => functions(path).has(place.name))
        .map(({ path }) => path);
      const near = elsewhere.filter((path) => dirname(dirname(path)) === dirname(dirname(place.path)));
      return { ...place, elsewhere: near.length === 1 ? near : elsewhere };
    });
}

/** Folders of roles; all others lie below them. */
const roles: ReadonlySet<string> = new Set(
  ['client', 'controller', 'idp', 'member', 'owner', 'store-node', 'watcher', 'worker'].map(
    (role) => `src/${role}`,
  ),
);

export interface Measured {
  entries: number;
  files: number;
  /** How often the folder (`src/<folder>`, `sandbox`) of an entry is another than that of the one before. */
  changes: number;
  /** The same of the folders of roles alone, as if what lies below them were not listed. */
  betweenRoles: number;
}

export function measured(places: readonly { path: string }[]): Measured {
  const folders = places.map(({ path }) => folderOf(path));
  const changesIn = (all: readonly string[]) =>
    all.filter((folder, at) => at > 0 && folder !== all[at - 1]).length;
  return {
    entries: places.length,
    files: new Set(places.map(({ path }) => path)).size,
    changes: changesIn(folders),
    betweenRoles: changesIn(folders.filter((folder) => roles.has(folder))),
  };
}
