/** A JSON text taken apart, so that it can be put together in ways that no value of JavaScript has: twice the same key, `__proto__`, numbers past all bounds. */
export type Tree =
  | string
  | number
  | boolean
  | null
  | { raw: string }
  | { items: [string, Tree][] }
  | { keys: [string, Tree][] };

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

export function treeOf(value: Json): Tree {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return { items: value.map((item) => ['', treeOf(item)]) };
  return { keys: Object.entries(value).map(([key, item]) => [key, treeOf(item)]) };
}

/** Every place in a tree where something stands. */
export function lists(tree: Tree): { list: [string, Tree][]; index: number }[] {
  if (typeof tree !== 'object' || tree === null || 'raw' in tree) return [];
  const list = 'items' in tree ? tree.items : tree.keys;
  return list.flatMap(([, below], index) => [{ list, index }, ...lists(below)]);
}

const byKey = ([a]: [string, Tree], [b]: [string, Tree]): number => (a < b ? -1 : a > b ? 1 : 0);

/** @param sort keys as DAG-JSON has them: what was added is then in its place */
export function treeText(tree: Tree, sort: boolean): string {
  if (typeof tree !== 'object' || tree === null) return JSON.stringify(tree);
  if ('raw' in tree) return tree.raw;
  if ('items' in tree) return `[${tree.items.map(([, item]) => treeText(item, sort)).join(',')}]`;
  const keys = sort ? [...tree.keys].sort(byKey) : tree.keys;
  return `{${keys.map(([key, item]) => `${JSON.stringify(key)}:${treeText(item, sort)}`).join(',')}}`;
}
