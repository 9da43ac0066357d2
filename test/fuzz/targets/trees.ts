import { encode, type PBLink } from '@ipld/dag-pb';
import fc from 'fast-check';
import { UnixFS } from 'ipfs-unixfs';
import { CID } from 'multiformats/cid';
import { pbCode, rawCode } from '../../../src/protocol/base/car.ts';
import { QuorateError } from '../../../src/protocol/base/errors.ts';
import { firstDifference } from '../../../src/store/file-diff.ts';
import { decodeNode, linksOf, parseCid } from '../../../src/store/nodes.ts';
import { checkedEntries } from '../../../src/store/tar-write.ts';
import { type Difference, diffTrees } from '../../../src/store/tree-diff.ts';
import { fileBytes, readFolder } from '../../../src/store/tree-walk.ts';
import type { Tree } from '../../../src/store/types.ts';
import { cidOf } from '../../support/project.ts';
import { mutatedBytes, mutatedText } from '../arbitraries.ts';
import { type AnyTarget, define, type Input, must } from '../target.ts';
import { cidFor, MemoryBlocks, smallCar } from './blocks.ts';

const node = define<Uint8Array>({
  name: 'tree-node',
  seeds: async () =>
    (await smallCar()).blocks.all().flatMap(([cid, bytes]) => (cid.code === pbCode ? [bytes] : [])),
  arbitrary: mutatedBytes,
  run(bytes) {
    const cid = cidFor(bytes, pbCode);
    const read = decodeNode(cid, bytes);
    must(
      read.kind === 'unixfs' && read.links.length === linksOf(cid, bytes).length,
      'a node has other links the second time',
    );
  },
});

const cid = define<string>({
  name: 'cid',
  seeds: async () => [cidOf('tree'), (await smallCar()).root.toString()],
  arbitrary: (seeds) => mutatedText(seeds, ['b', 'z', 'f', 'm', 'bafy', 'bafk', 'Qm', 'a'.repeat(59)]),
  run(text) {
    const read = parseCid(text);
    must(read.version === 1 && read.multihash.digest.length === 32, 'a CID of another kind was taken');
  },
});

/** One block of a made-up tree. Links lead to earlier blocks only, as they must where a link is a hash. */
interface Plan {
  kind: 'raw' | 'file' | 'directory' | 'hamt-sharded-directory' | 'symlink' | 'metadata';
  text: string;
  mode: number;
  links: { name: string; to: number }[];
  /** Bytes each link claims; absent: what is there. */
  sizes: number[] | null;
  /** Bytes of the finished block that are set: place, value. */
  spoil: number[];
  [key: string]: Input;
}

const name = fc.oneof(
  fc.constantFrom(
    'a',
    'b',
    'A',
    '..',
    '.',
    '',
    'a/b',
    '00',
    '00a',
    'FFb',
    'é',
    'e\u0301',
    '__proto__',
    '\0',
    '\ufffd',
    '\ud800',
    'n'.repeat(256),
  ),
  fc.string({ maxLength: 3 }),
);
const plan: fc.Arbitrary<Plan> = fc.record({
  kind: fc.constantFrom(
    'raw',
    'raw',
    'file',
    'directory',
    'directory',
    'hamt-sharded-directory',
    'symlink',
    'metadata',
  ),
  text: fc.oneof(
    fc.constantFrom(
      '',
      'a',
      '..',
      '../..',
      'a/..',
      '/etc',
      'a/'.repeat(2000),
      './'.repeat(2000),
      '../'.repeat(1300),
      '\ufffd',
    ),
    fc.string({ maxLength: 10 }),
  ),
  mode: fc.constantFrom(0o644, 0o755, 0o4755, 0),
  links: fc.array(fc.record({ name, to: fc.nat({ max: 12 }) }), { maxLength: 3 }),
  sizes: fc.oneof(
    { weight: 3, arbitrary: fc.constant(null) },
    { weight: 1, arbitrary: fc.array(fc.constantFrom(0, 1, 10, 2 ** 31, 2 ** 52), { maxLength: 4 }) },
  ),
  spoil: fc.oneof(
    { weight: 6, arbitrary: fc.constant<number[]>([]) },
    { weight: 1, arbitrary: fc.array(fc.nat({ max: 255 }), { maxLength: 4 }) },
  ),
});

interface Made {
  cid: CID;
  size: number;
  /** Blocks that a walk from here visits, each as often as it comes by. */
  visits: number;
}

function build(blocks: MemoryBlocks, plans: readonly Plan[]): Made {
  const made: Made[] = [];
  for (const one of plans) {
    const below =
      made.length === 0
        ? []
        : one.links.map(({ name: label, to }) => ({ label, ...(made[to % made.length] as Made) }));
    const bytes = new TextEncoder().encode(one.text);
    const visits = 1 + below.reduce((sum, link) => sum + link.visits, 0);
    if (one.kind === 'raw') {
      made.push({ cid: blocks.add(bytes, rawCode), size: bytes.length, visits: 1 });
      continue;
    }
    const unixfs = new UnixFS({
      type: one.kind,
      mode: one.mode,
      ...(one.kind === 'symlink' || (one.kind === 'file' && below.length === 0) ? { data: bytes } : {}),
      ...(one.kind === 'file'
        ? { blockSizes: below.map((link, index) => BigInt(one.sizes?.[index] ?? link.size)) }
        : {}),
    });
    const links: PBLink[] = below.map((link) => ({
      Hash: link.cid,
      Name: link.label.toWellFormed(),
      Tsize: link.size,
    }));
    links.sort((a, b) => Buffer.compare(Buffer.from(a.Name ?? ''), Buffer.from(b.Name ?? '')));
    const block = encode({ Data: unixfs.marshal(), Links: links });
    for (let at = 0; at + 1 < one.spoil.length; at += 2)
      block[(one.spoil[at] ?? 0) % block.length] = one.spoil[at + 1] ?? 0;
    const size =
      one.kind === 'file' && below.length > 0
        ? below.reduce((sum, link) => sum + link.size, 0)
        : bytes.length;
    made.push({ cid: blocks.add(block, pbCode), size, visits });
  }
  return made.at(-1) ?? { cid: blocks.add(new Uint8Array(), rawCode), size: 0, visits: 1 };
}

/** Visits per input; that more ends as it should is `test/attacks/store/trees.test.ts`. */
const visitsMax = 3_000;

const file = (text: string): Plan => ({ kind: 'raw', text, mode: 0, links: [], sizes: null, spoil: [] });
const folder = (kind: 'directory' | 'hamt-sharded-directory', links: Plan['links']): Plan => ({
  ...file(''),
  kind,
  links,
});

const trees: readonly Plan[][] = [
  [file('a'), folder('directory', [{ name: 'a', to: 0 }])],
  [
    file('a'),
    { ...file('a'), kind: 'symlink' },
    folder('directory', [
      { name: 'a', to: 0 },
      { name: 'l', to: 1 },
    ]),
  ],
  [
    file('ab'),
    {
      ...file(''),
      kind: 'file',
      mode: 0o755,
      links: [
        { name: '', to: 0 },
        { name: '', to: 0 },
      ],
    },
    folder('hamt-sharded-directory', [{ name: '00f', to: 1 }]),
  ],
];

const anyTree = (seeds: readonly Plan[][]): fc.Arbitrary<Plan[]> =>
  fc.oneof(
    fc.array(plan, { minLength: 1, maxLength: 12 }),
    fc
      .tuple(fc.constantFrom(...seeds), plan, fc.nat({ max: 3 }))
      .map(([seed, one, at]) => seed.with(Math.min(at, seed.length - 1), one)),
    // Ends in a folder: otherwise few are walked at all.
    fc
      .tuple(
        fc.array(plan, { minLength: 1, maxLength: 8 }),
        fc.array(fc.record({ name: fc.constantFrom('a', 'b', 'c', 'd'), to: fc.nat({ max: 8 }) }), {
          maxLength: 4,
        }),
      )
      .map(([plans, links]) => [...plans, folder('directory', links)]),
  );

const tree = define<Plan[]>({
  name: 'tree',
  seeds: async () => trees,
  arbitrary: anyTree,
  msMax: 300,
  async run(plans) {
    const blocks = new MemoryBlocks();
    const { cid: root, visits } = build(blocks, plans);
    if (visits > visitsMax) return;
    const entries = await checkedEntries(blocks, root);
    const paths = entries.map(({ path }) => path);
    must(new Set(paths).size === paths.length, 'a path is there twice');
    must(
      paths.every((path) => !path.split('/').some((part) => ['', '.', '..'].includes(part))),
      'a path leads elsewhere',
    );
    must(
      entries.every(({ kind, target = '' }) => kind !== 'link' || !target.startsWith('/')),
      'a link leads out of the tree',
    );
    must(
      (await readFolder(blocks, root, '')).size <= paths.length,
      'a folder has entries that the walk did not find',
    );
    for (const found of entries.filter(({ kind }) => kind === 'file').slice(0, 50)) {
      let size = 0;
      for await (const chunk of fileBytes(blocks, found.cid)) size += chunk.length;
      must(size === found.size, 'a file has another size than was counted');
    }
  },
});

/** Paths of files, links and empty folders with their CIDs; undefined for what is no tree. */
async function leavesOf(blocks: MemoryBlocks, root: CID): Promise<Map<string, string> | undefined> {
  try {
    const entries = await checkedEntries(blocks, root);
    const parents = new Set(entries.map(({ path }) => path.slice(0, Math.max(0, path.lastIndexOf('/')))));
    return new Map(
      entries.filter(({ path }) => !parents.has(path)).map(({ path, cid: of }) => [path, of.toString()]),
    );
  } catch (error) {
    if (error instanceof QuorateError) return undefined;
    throw error;
  }
}

async function bytesOf(blocks: MemoryBlocks, file: string): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of fileBytes(blocks, CID.parse(file))) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const treeDiff = define<{ a: Plan[]; b: Plan[] }>({
  name: 'tree-diff',
  seeds: async () => trees.flatMap((a) => trees.map((b) => ({ a, b }))),
  arbitrary: (seeds) => {
    const one = anyTree(seeds.map(({ a }) => a));
    return fc.oneof(
      fc.record({ a: one, b: one }),
      // One of the blocks is another: most of the rest is the same.
      fc
        .tuple(one, plan, fc.nat({ max: 11 }))
        .map(([a, other, at]) => ({ a, b: a.with(Math.min(at, a.length - 1), other) })),
    );
  },
  msMax: 300,
  async run({ a, b }) {
    const blocks = new MemoryBlocks();
    const [left, right] = [build(blocks, a), build(blocks, b)];
    if (left.visits + right.visits > visitsMax) return;
    const treeOf = ({ cid: root }: Made): Tree => ({ root: root.toString(), blocks });
    const found: Difference[] = [];
    for await (const difference of diffTrees(treeOf(left), treeOf(right))) found.push(difference);
    for (const { a: from, b: to } of found) {
      if (from?.kind !== 'file' || to?.kind !== 'file') continue;
      const first = await firstDifference({ root: from.cid, blocks }, { root: to.cid, blocks });
      const [before, after] = [await bytesOf(blocks, from.cid), await bytesOf(blocks, to.cid)];
      must(first !== undefined || before.equals(after), 'two files are taken for the same');
      if (first === undefined) continue;
      const { offset } = first;
      must(before.subarray(0, offset).equals(after.subarray(0, offset)), 'two files differ earlier');
      must(before[offset] !== after[offset], 'two files do not differ there');
    }
    const [leavesA, leavesB] = [await leavesOf(blocks, left.cid), await leavesOf(blocks, right.cid)];
    if (leavesA === undefined || leavesB === undefined) return;
    const paths = new Set(found.map(({ path }) => path));
    const isBelowFound = (path: string): boolean =>
      paths.has(path) || (path !== '' && isBelowFound(path.slice(0, Math.max(0, path.lastIndexOf('/')))));
    // A folder that is empty on one side only differs by what is in it.
    const isFilled = (path: string): boolean => found.some((one) => one.path.startsWith(`${path}/`));
    for (const path of new Set([...leavesA.keys(), ...leavesB.keys()])) {
      const same = leavesA.get(path) === leavesB.get(path);
      must(same || isBelowFound(path) || isFilled(path), 'a difference was not found');
    }
  },
});

export const targets: readonly AnyTarget[] = [node, cid, tree, treeDiff];
