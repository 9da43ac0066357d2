import { describe, type Kind, type Mutation } from './operators.ts';

/** A mutation that no test can notice, since nothing differs but time or memory within the same bounds, with the reason. */
export interface Equivalent {
  readonly path: string;
  readonly kind: Kind;
  /** The mutated text, spaces collapsed, and what it becomes. */
  readonly change: string;
  readonly proof: string;
}

/** Conditions that a map is full, before its first entry is removed: a map with more entries than a bound has a first one. */
const full: readonly (readonly [path: string, condition: string])[] = [
  ['src/execution/images/cache.ts', 'this.#refused.size >= imageCacheLimits.refusedMax'],
  ['src/controller/node/sbom.ts', 'kept.size > controllerNodeLimits.sbomsKeptMax'],
  ['src/worker/sessions/log-comparison.ts', 'this.#open.size >= workerSessionLimits.uncomparedMax'],
];

/** Each is left out of the rate. An entry that fits no mutation any more fails a test. */
export const equivalents: readonly Equivalent[] = [
  ...full.map(
    ([path, condition]): Equivalent => ({
      path,
      kind: 'dropped check',
      change: `${condition} && oldest !== undefined -> (${condition})`,
      proof: 'A map with more entries than a bound has a first one.',
    }),
  ),
  {
    path: 'src/controller/node/kept-indexes.ts',
    kind: 'dropped check',
    change: 'if (oldest === undefined) return; -> ;',
    proof: 'It is called for a list with more indexes, or more bytes, than a bound, which has a first one.',
  },
  {
    path: 'src/protocol/lock-formats/json.ts',
    kind: 'off by one',
    change: '< -> <=',
    proof: 'It compares the place of a line break with that of a token, which is no white space.',
  },
  {
    path: 'src/protocol/trust/decide.ts',
    kind: 'off by one',
    change: ') < -> ) <=',
    proof: 'No result and no failure of one round both have N operators: two quorums share one.',
  },
  {
    path: 'src/dependencies/layout/layout.ts',
    kind: 'off by one',
    change: '< -> <=',
    proof: 'It sorts files by their paths, which are the keys of a map: no two are equal.',
  },
  {
    path: 'src/dependencies/thread/read.ts',
    kind: 'off by one',
    change: '<= -> <',
    proof: 'Lock files of exactly that size are read by the same function in a thread.',
  },
  {
    path: 'sandbox/versions/minimum.ts',
    kind: 'off by one',
    change: '> -> >=',
    proof: 'A version that equals the newest minimum has the branch of that minimum, and returned before.',
  },
  {
    path: 'sandbox/versions/minimum.ts',
    kind: 'off by one',
    change: '< -> <=',
    proof: 'Behind the last number of the longer version both have 0.',
  },
  {
    path: 'src/dependencies/fetch/npm-config.ts',
    kind: 'off by one',
    change: '> -> >=',
    proof: 'An http address has a host: after `//host` the path is `/`, never two characters.',
  },
  {
    path: 'sandbox/cgroups/group.ts',
    kind: 'off by one',
    change: '> -> >=',
    proof:
      'It compares two readings of a clock in fractions of a millisecond: the wait ends in the same turn.',
  },
  {
    path: 'src/store/tree-builder.ts',
    kind: 'off by one',
    change: '> -> >=',
    proof: 'A folder of exactly that size is handed to the library, which writes the same block.',
  },
  {
    path: 'src/store/pack-files.ts',
    kind: 'off by one',
    change: '< -> <=',
    proof: 'What is enough already is read once more, to the same bytes.',
  },
  {
    path: 'src/http/listen.ts',
    kind: 'limit x 1000',
    change: '0 -> (0) * 1_000',
    proof: 'The bound is 0, and a thousand times 0 is 0.',
  },
  {
    path: 'src/http/connections.ts',
    kind: 'dropped check',
    change: 'if (client === undefined) return undefined; -> ;',
    proof: 'Without a client there is no set to take the socket from, and what is returned is that client.',
  },
  {
    path: 'src/store/tree-builder.ts',
    kind: 'limit x 1000',
    change: '64 -> (64) * 1_000',
    proof: 'More folders are handed to the library, which writes the same block where none needs shards.',
  },
];

export const changeOf = (mutation: Mutation): string =>
  describe(mutation).slice(`${mutation.path}:${mutation.line} ${mutation.kind}: `.length);

export const isEquivalent = (mutation: Mutation, list = equivalents): boolean =>
  list.some(
    ({ path, kind, change }) =>
      path === mutation.path && kind === mutation.kind && change === changeOf(mutation),
  );
