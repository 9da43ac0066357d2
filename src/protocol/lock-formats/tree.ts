import { invalid, lockFault, type Place, quote } from './fault.ts';
import { dependencyLimits } from './limits.ts';

/** A value of a lock file with its line; of a value that has a key, the line of the key. Maps keep any key, `__proto__` too. */
export interface Tree {
  line: number;
  value: string | number | boolean | null | readonly Tree[] | ReadonlyMap<string, Tree>;
}

export const tooDeep = (at: Place): Error =>
  lockFault('LOCK_TOO_LARGE', at, `nested deeper than ${dependencyLimits.depthMax} levels`);

/** Reads fields of a tree, each with the type that is expected there. Absent and null are the same. */
export class Fields {
  readonly #map: ReadonlyMap<string, Tree>;
  readonly at: Place;
  readonly #what: string;

  /** `what` names the value in errors. Throws `LOCK_INVALID` where it has no fields. */
  constructor(tree: Tree, lock: string, what: string) {
    this.at = { lock, line: tree.line };
    this.#what = what;
    if (!isMap(tree.value)) throw invalid(this.at, `${quote(what)} is not an object`);
    this.#map = tree.value;
  }

  get(key: string): Tree | undefined {
    const tree = this.#map.get(key);
    return tree?.value === null ? undefined : tree;
  }

  text(key: string): string | undefined {
    const tree = this.get(key);
    if (tree === undefined || typeof tree.value === 'string') return tree?.value as string | undefined;
    throw this.#wrong(key, 'text', tree);
  }

  /** True only where it is there and true. */
  flag(key: string): boolean {
    const tree = this.get(key);
    if (tree === undefined || typeof tree.value === 'boolean') return tree?.value === true;
    throw this.#wrong(key, 'true or false', tree);
  }

  /** A list of texts. A single text is a list of one. */
  texts(key: string): string[] | undefined {
    const tree = this.get(key);
    if (tree === undefined) return undefined;
    if (typeof tree.value === 'string') return [tree.value];
    if (!isList(tree.value)) throw this.#wrong(key, 'a list of texts', tree);
    return tree.value.map(({ value }) => {
      if (typeof value !== 'string') throw this.#wrong(key, 'a list of texts', tree);
      return value;
    });
  }

  /** The entries of an object; none where it is absent. */
  entries(key: string): [key: string, value: Tree][] {
    const tree = this.get(key);
    if (tree === undefined) return [];
    if (!isMap(tree.value)) throw this.#wrong(key, 'an object', tree);
    return [...tree.value];
  }

  #wrong(key: string, expected: string, { line }: Tree): Error {
    const of = this.#what === '' ? '' : ` of ${quote(this.#what)}`;
    return invalid({ ...this.at, line }, `${quote(key)}${of} is not ${expected}`);
  }
}

const isList = (value: Tree['value']): value is readonly Tree[] => Array.isArray(value);
const isMap = (value: Tree['value']): value is ReadonlyMap<string, Tree> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
