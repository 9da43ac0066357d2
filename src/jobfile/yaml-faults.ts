import { type Document, isAlias, isCollection, isMap, isPair, isScalar, visit } from 'yaml';

/** One thing wrong with the YAML itself, with where it begins in the text. */
export interface YamlFault {
  code: 'JOBFILE_SYNTAX' | 'JOBFILE_INVALID';
  offset: number;
  message: string;
}

/** Aliases may repeat parts of a file, not multiply them: what they stand for is counted with what is in it. */
const aliasesMax = 100;

/**
 * What the library would take too long to see, or not see at all. It compares each key with each other, and counts what
 * an alias stands for by going through the file for each alias; a few kilobytes can keep it busy for hours.
 */
export function yamlFaults(document: Document.Parsed): YamlFault[] {
  return [...keyFaults(document), ...aliasFaults(document.contents)];
}

/** `__proto__` means something else to JavaScript than to YAML: it would vanish without a word. */
function keyFaults(document: Document.Parsed): YamlFault[] {
  const faults: YamlFault[] = [];
  visit(document, {
    Map(_, { items }) {
      const seen = new Set<string>();
      for (const { key } of items) {
        const offset = offsetOf(key);
        if (!isScalar(key) || typeof key.value !== 'string' || key.value === '__proto__') {
          const message = 'a key must be plain text, and not "__proto__"';
          faults.push({ code: 'JOBFILE_INVALID', offset, message });
        } else if (seen.has(key.value)) {
          faults.push({ code: 'JOBFILE_SYNTAX', offset, message: 'a key is there twice' });
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
    faults.push({ code: 'JOBFILE_SYNTAX', offset: offsetOf(node), message });
    return 0;
  };
  /** Aliases in a node, and in what they stand for. */
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

/** Where each key of a mapping begins. */
export function keyOffsets(node: unknown): Map<unknown, number> {
  const items = isMap(node) ? node.items : [];
  return new Map(items.map(({ key }) => [isScalar(key) ? key.value : undefined, offsetOf(key)]));
}

export function offsetOf(node: unknown): number {
  const range = typeof node === 'object' && node !== null && 'range' in node ? node.range : undefined;
  return Array.isArray(range) && typeof range[0] === 'number' ? range[0] : 0;
}
