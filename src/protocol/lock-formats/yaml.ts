import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml';
import { invalid, lockFault, type Place, quote } from './fault.ts';
import { dependencyLimits } from './limits.ts';
import { type Tree, tooDeep } from './tree.ts';

/** YAML as tools write it, with lines: one document, no aliases and tags, each key once. `numbers`: lines in the file, of a part of it. */
export function readYaml(text: string, lock: string, numbers?: readonly number[]): Tree {
  const top = { lock, line: 1 };
  const { yamlCharsMax } = dependencyLimits;
  if (text.length > yamlCharsMax)
    throw lockFault(
      'LOCK_TOO_LARGE',
      top,
      `${text.length} characters of YAML; at most ${yamlCharsMax} are read`,
    );
  const lines = new LineCounter();
  const lineAt = (offset: number): number => {
    const { line } = lines.linePos(offset);
    return numbers === undefined ? line : (numbers[line - 1] ?? 1);
  };
  const options = { lineCounter: lines, prettyErrors: false, version: '1.2', uniqueKeys: false } as const;
  try {
    const { contents, errors, warnings } = parseDocument(text, options);
    const [fault] = [...errors, ...warnings];
    if (fault !== undefined)
      throw invalid({ lock, line: lineAt(fault.pos[0]) }, `not YAML: ${quote(fault.message)}`);
    return treeOf(contents, top, 0, lineAt);
  } catch (error) {
    // The parser recurses for each level that ends. That the stack is full is one of its errors only where it composes a value.
    if (error instanceof RangeError) throw tooDeep(top);
    throw error;
  }
}

function treeOf(node: Node | null, near: Place, depth: number, lineAt: (offset: number) => number): Tree {
  const offset = node?.range?.[0];
  const at = offset === undefined ? near : { ...near, line: lineAt(offset) };
  if (depth > dependencyLimits.depthMax) throw tooDeep(at);
  if (node === null) return { line: at.line, value: null };
  if (isAlias(node) || node.tag !== undefined) throw invalid(at, 'an alias or a tag, which no tool writes');
  const below = (inner: Node | null, place: Place) => treeOf(inner, place, depth + 1, lineAt);
  if (isMap<Node, Node | null>(node)) {
    const found = new Map<string, Tree>();
    for (const { key, value } of node.items) {
      const name = below(key, at);
      const place = { ...at, line: name.line };
      if (typeof name.value !== 'string' && typeof name.value !== 'number')
        throw invalid(place, 'a key that is no text');
      const text = String(name.value);
      if (found.has(text)) throw invalid(place, `the key ${quote(text)} occurs twice`);
      found.set(text, { ...below(value, place), line: name.line });
    }
    return { line: at.line, value: found };
  }
  if (isSeq<Node | null>(node)) return { line: at.line, value: node.items.map((item) => below(item, at)) };
  const value = isScalar(node) ? node.value : undefined;
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' || value === null)
    return { line: at.line, value };
  throw invalid(at, 'a value that is no text, number, list or mapping');
}
