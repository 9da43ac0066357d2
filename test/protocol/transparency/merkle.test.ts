import { createHash } from 'node:crypto';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hashLeaf, hashNode } from '../../../src/protocol/transparency/hash.ts';
import { MerkleTree, verifyConsistency, verifyInclusion } from '../../../src/protocol/transparency/index.ts';

/** Inputs of the certificate-transparency test tree that are text, and its published roots up to there. */
const ctLeaves = ['', '\0', '\x10', ' !', '01', '@ABC', 'PQRSTUVW', '`abcdefghijklmno'];
const ctRoots = [
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];

/** RFC 6962 §2.1, word for word, as the other opinion. */
function naiveRoot(leaves: readonly Buffer[]): string {
  const sha = (...parts: Buffer[]) => createHash('sha256').update(Buffer.concat(parts)).digest();
  const mth = (d: readonly Buffer[]): Buffer => {
    if (d.length === 0) return sha();
    if (d.length === 1) return sha(Buffer.of(0), ...d);
    let k = 1;
    while (k * 2 < d.length) k *= 2;
    return sha(Buffer.of(1), mth(d.slice(0, k)), mth(d.slice(k)));
  };
  return mth(leaves).toString('hex');
}

const tree = (n: number, tag = '') => new MerkleTree(Array.from({ length: n }, (_, i) => `leaf ${i}${tag}`));
const flip = (hex: string) => (hex.startsWith('0') ? '1' : '0') + hex.slice(1);

describe('the Merkle tree', () => {
  it('has the roots of the certificate-transparency test tree', () => {
    const log = new MerkleTree();
    expect(log.root()).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
    for (const [i, leaf] of ctLeaves.entries()) {
      expect(log.append(leaf)).toBe(i);
      expect(log.root()).toBe(ctRoots[i]);
    }
    for (const [i, root] of ctRoots.entries()) expect(log.root(i + 1)).toBe(root);
  });

  it('has the proofs of the certificate-transparency test tree', () => {
    const log = new MerkleTree(ctLeaves);
    expect(log.inclusion(0, 1)).toEqual([]);
    expect(log.inclusion(5, 8)).toEqual([
      'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
      'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    ]);
    expect(log.consistency(6, 8)).toEqual([
      '0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a',
      'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    ]);
  });

  it('agrees with the definition in the RFC at every size', () => {
    const leaves = Array.from({ length: 70 }, (_, i) => `line ${i}`);
    const log = new MerkleTree(leaves);
    for (let n = 0; n <= 70; n++) {
      expect(log.root(n)).toBe(naiveRoot(leaves.slice(0, n).map((leaf) => Buffer.from(leaf))));
    }
  });

  it('has the root of the lines that would follow some of its leaves', () => {
    const log = tree(20);
    for (let from = 0; from <= 20; from++)
      for (const more of [0, 1, 2, 5]) {
        const lines = Array.from({ length: more }, (_, n) => `more ${n}`);
        const root = new MerkleTree([...log.leaves(0, from), ...lines]).root();
        expect(log.rootWith(from, lines)).toBe(root);
      }
    expect(log.size).toBe(20);
  });

  it('proves every leaf at every size, and no other leaf there', () => {
    const log = tree(33);
    for (let size = 1; size <= 33; size++) {
      for (let index = 0; index < size; index++) {
        const proof = {
          leaf: `leaf ${index}`,
          index,
          size,
          root: log.root(size),
          path: log.inclusion(index, size),
        };
        expect(verifyInclusion(proof)).toBe(true);
        expect(verifyInclusion({ ...proof, leaf: 'leaf x' })).toBe(false);
        expect(verifyInclusion({ ...proof, index: index + 1 })).toBe(false);
        expect(verifyInclusion({ ...proof, path: [...proof.path, log.root()] })).toBe(false);
        if (size > 1) expect(verifyInclusion({ ...proof, path: proof.path.slice(1) })).toBe(false);
      }
    }
  });

  it('proves consistency between every two sizes', () => {
    const log = tree(33);
    for (let to = 0; to <= 33; to++) {
      for (let from = 0; from <= to; from++) {
        const proof = {
          from,
          fromRoot: log.root(from),
          to,
          toRoot: log.root(to),
          path: log.consistency(from, to),
        };
        expect(verifyConsistency(proof)).toBe(true);
        expect(verifyConsistency({ ...proof, fromRoot: flip(proof.fromRoot) })).toBe(false);
        if (from > 0) expect(verifyConsistency({ ...proof, toRoot: flip(proof.toRoot) })).toBe(false);
        expect(verifyConsistency({ ...proof, path: [...proof.path, log.root()] })).toBe(false);
      }
    }
  });

  it('refuses every proof one hash of which was changed', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 200 }), fc.nat(), fc.nat(), (size, a, b) => {
        const log = tree(size);
        const index = a % size;
        const path = log.inclusion(index);
        const bad = path.map((hash, i) => (i === b % path.length ? flip(hash) : hash));
        expect(verifyInclusion({ leaf: `leaf ${index}`, index, size, root: log.root(), path: bad })).toBe(
          false,
        );
        const from = 1 + (a % (size - 1));
        const proof = log.consistency(from);
        const forged = proof.map((hash, i) => (i === b % proof.length ? flip(hash) : hash));
        const ends = { from, fromRoot: log.root(from), to: size, toRoot: log.root() };
        expect(verifyConsistency({ ...ends, path: forged })).toBe(false);
      }),
      { numRuns: 200 },
    );
  });

  it('proves no fork consistent: not by the proof of either side, nor by hashes of both in any order', () => {
    const atMost = 12;
    fc.assert(
      fc.property(
        fc.record({ from: fc.integer({ min: 1, max: 60 }), more: fc.nat(60), place: fc.nat() }),
        fc.array(fc.nat(), { maxLength: atMost }),
        ({ from, more, place }, picks) => {
          const honest = tree(from + more);
          const at = place % from;
          const forked = new MerkleTree(honest.leaves().map((leaf, i) => (i === at ? `${leaf}!` : leaf)));
          const ends = { from, fromRoot: honest.root(from), to: from + more, toRoot: forked.root() };
          const [theirs, ours] = [honest.consistency(from), forked.consistency(from)];
          // One side's proof, hash by hash exchanged for the other's; and any hashes that either side can come by.
          for (let mask = 0; mask < 2 ** Math.min(theirs.length, 6); mask++) {
            const path = theirs.map((hash, i) => ((mask >> i) & 1 ? (ours[i] ?? hash) : hash));
            expect(verifyConsistency({ ...ends, path })).toBe(false);
          }
          expect(verifyConsistency({ ...ends, path: ours })).toBe(false);
          const known = [honest, forked].flatMap((log) =>
            Array.from({ length: from + more }, (_, i) => log.root(i + 1)).concat(log.inclusion(at)),
          );
          const path = picks.map((pick) => known[pick % known.length] ?? '');
          expect(verifyConsistency({ ...ends, path })).toBe(false);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('never proves a truncated log consistent with the longer one', () => {
    const log = tree(20);
    const shorter = {
      from: 20,
      fromRoot: log.root(),
      to: 12,
      toRoot: log.root(12),
      path: log.consistency(12, 20),
    };
    expect(verifyConsistency(shorter)).toBe(false);
    const dropped = new MerkleTree(log.leaves().filter((_, i) => i !== 7));
    const ends = { from: 10, fromRoot: log.root(10), to: 19, toRoot: dropped.root() };
    expect(verifyConsistency({ ...ends, path: dropped.consistency(10) })).toBe(false);
  });

  it('refuses what is out of range, with a code', () => {
    const log = tree(3);
    const calls = [
      () => log.root(4),
      () => log.inclusion(3),
      () => log.inclusion(-1),
      () => log.inclusion(0, 4),
      () => log.consistency(3, 2),
      () => log.consistency(1, 4),
      () => log.leaves(2, 1),
      () => log.leaves(-1, 1),
      () => log.leaves(0, 4),
      () => log.root(-1),
      () => log.rootWith(-1, []),
      () => log.rootWith(4, []),
      () => log.inclusion(3, 3),
      () => log.consistency(-1, 3),
    ];
    for (const call of calls) expect(call).toThrow(expect.objectContaining({ code: 'LOG_OUT_OF_RANGE' }));
    expect([log.leaves(3, 3), log.leaves(0, 3).length, log.leaves(2, 2)]).toEqual([[], 3, []]);
    expect([log.consistency(3, 3), log.consistency(0, 3), log.inclusion(0, 1)]).toEqual([[], [], []]);
    const root = log.root();
    const proof = { leaf: 'leaf 2', index: 2, size: 3, root, path: log.inclusion(2) };
    expect(verifyInclusion(proof)).toBe(true);
    for (const index of [-1, 3, 2 ** 60]) expect(verifyInclusion({ ...proof, index })).toBe(false);
    expect(verifyInclusion({ leaf: 'leaf 0', index: 0, size: 0, root, path: [] })).toBe(false);
    const one = { leaf: 'leaf 0', index: 0, size: 1, root: tree(1).root(), path: [] as string[] };
    expect(verifyInclusion(one)).toBe(true);
    expect(verifyInclusion({ ...one, index: -1 })).toBe(false);
    const two = { leaf: 'leaf 0', index: 0, size: 2, root: log.root(2), path: log.inclusion(0, 2) };
    for (const size of [2.5, Number.NaN, 2 ** 60]) expect(verifyInclusion({ ...two, size })).toBe(false);
    expect(verifyInclusion({ ...two, path: two.path.map((hash) => hash.toUpperCase()) })).toBe(false);
    // More hashes than the path of the leaf has, to the root that they would make.
    const more = hashNode(hexToBytes(root), hashLeaf('leaf 0'));
    expect(verifyInclusion({ ...one, root: bytesToHex(more), path: [root] })).toBe(false);
    expect(verifyInclusion({ leaf: 'leaf 0', index: 0.5, size: 3, root, path: [] })).toBe(false);
    expect(verifyInclusion({ leaf: 'leaf 0', index: 0, size: 3, root, path: ['zz'] })).toBe(false);
  });

  it('refuses proofs of consistency of another form, with the roots that they would make', () => {
    const [a, b, c] = ['a', 'b', 'c'].map(hashLeaf) as [Uint8Array, Uint8Array, Uint8Array];
    const hex = bytesToHex;
    const sound = { from: 1, fromRoot: hex(a), to: 2, toRoot: hex(hashNode(a, b)), path: [hex(b)] };
    expect(verifyConsistency(sound)).toBe(true);
    for (const wrong of [
      { from: -1 },
      { from: 0.5 },
      { to: 2.5 },
      { to: 2 ** 60 },
      { fromRoot: 'zz' },
      { fromRoot: hex(a).toUpperCase() },
      { path: [hex(b).toUpperCase()] },
      { path: [] },
      { from: 2, to: 3, path: [] },
      // A hash more than the path has.
      { fromRoot: hex(hashNode(c, a)), toRoot: hex(hashNode(c, hashNode(a, b))), path: [hex(b), hex(c)] },
      // The larger before the smaller.
      { from: 5, to: 3, toRoot: hex(hashNode(hashNode(a, b), c)), path: [hex(a), hex(b), hex(c)] },
    ])
      expect(verifyConsistency({ ...sound, ...wrong })).toBe(false);
    expect(verifyConsistency({ ...sound, from: 0, fromRoot: hex(a), path: [] })).toBe(false);
    const same = { from: 2, fromRoot: hex(a), to: 2, toRoot: hex(a), path: [] as string[] };
    expect([verifyConsistency(same), verifyConsistency({ ...same, toRoot: hex(b) })]).toEqual([true, false]);
    expect(verifyConsistency({ ...same, path: [hex(b)] })).toBe(false);
  });

  it('answers from a log of 100,000 leaves in under 5 ms of a processor', () => {
    const log = tree(100_000);
    log.inclusion(1);
    const before = process.threadCpuUsage().user;
    const rounds = 100;
    for (let i = 0; i < rounds; i++) log.inclusion((i * 7919) % 100_000, 100_000 - i);
    expect((process.threadCpuUsage().user - before) / rounds).toBeLessThan(5_000);
  });
});
