import { type CST, type Document, isAlias, isCollection, isMap, isPair, isScalar, Parser, visit } from 'yaml';
import { jobFileLimits } from './limits.ts';

interface YamlFault {
  offset: number;
  message: string;
}

/** The offset where a text is nested deeper than `jobFileLimits.nestingMax`, if it is: the YAML library recurses for each level. */
export function tooDeepAt(text: string): number | undefined {
  try {
    return deepTokenAt(text);
  } catch (error) {
    // The parser of tokens recurses where thousands of levels end at once.
    if (error instanceof RangeError) return 0;
    throw error;
  }
}

function deepTokenAt(text: string): number | undefined {
  for (const top of new Parser().parse(text)) {
    const open: { token: CST.Token; depth: number }[] = [{ token: top, depth: 0 }];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      const { token, depth } = next;
      if (depth > jobFileLimits.nestingMax) return token.offset;
      if ('items' in token)
        for (const { key, value } of token.items)
          for (const inner of [key, value]) if (inner) open.push({ token: inner, depth: depth + 1 });
      if (token.type === 'document' && token.value !== undefined) open.push({ token: token.value, depth });
    }
  }
  return undefined;
}

/** Most aliases of a file. Aliases within an aliased node count each time it is aliased. */
const aliasesMax = 100;

/** Faults that the YAML library does not find, or in quadratic time (hours for a few kilobytes): duplicate keys, `__proto__`, too many aliases. */
export function yamlFaults(document: Document.Parsed): YamlFault[] {
  return [...keyFaults(document), ...aliasFaults(document.contents)];
}

/** Duplicate keys, and `__proto__`, which JavaScript would drop silently. */
function keyFaults(document: Document.Parsed): YamlFault[] {
  const faults: YamlFault[] = [];
  visit(document, {
    Map(_, { items }) {
      const seen = new Set<string>();
      for (const { key } of items) {
        const offset = offsetOf(key);
        if (!isScalar(key) || typeof key.value !== 'string' || key.value === '__proto__') {
          const message = 'a key must be plain text, and not "__proto__"';
          faults.push({ offset, message });
        } else if (seen.has(key.value)) {
          faults.push({ offset, message: 'a key occurs twice' });
        } else seen.add(key.value);
      }
    },
  });
  return faults;
}

function aliasFaults(top: unknown): YamlFault[] {
  const faults: YamlFault[] = [];
  const weights = new Map<string, number>();
  const open = new Set<string>();
  const fault = (node: unknown, message: string): number => {
    faults.push({ offset: offsetOf(node), message });
    return 0;
  };
  /** Number of aliases in a node, including those in the nodes they refer to. */
  const countAliases = (node: unknown): number => {
    if (faults.length > 0) return 0;
    if (isAlias(node)) {
      if (open.has(node.source)) return fault(node, 'an alias stands for something that it is in');
      return 1 + (weights.get(node.source) ?? 0);
    }
    if (isPair(node)) return countAliases(node.key) + countAliases(node.value);
    if (!isCollection(node)) return 0;
    const { anchor } = node;
    if (anchor !== undefined) open.add(anchor);
    let weight = 0;
    for (const item of node.items) weight += countAliases(item);
    if (anchor !== undefined) {
      open.delete(anchor);
      weights.set(anchor, weight);
    }
    return weight > aliasesMax
      ? fault(node, `over ${aliasesMax} aliases, with those that they stand for`)
      : weight;
  };
  countAliases(top);
  return faults;
}

export function keyOffsets(node: unknown): Map<unknown, number> {
  const items = isMap(node) ? node.items : [];
  return new Map(items.map(({ key }) => [isScalar(key) ? key.value : undefined, offsetOf(key)]));
}

export function offsetOf(node: unknown): number {
  const range = typeof node === 'object' && node !== null && 'range' in node ? node.range : undefined;
  return Array.isArray(range) && typeof range[0] === 'number' ? range[0] : 0;
}
