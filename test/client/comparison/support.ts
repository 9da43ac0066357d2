import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Header, pack } from 'tar-stream';
import { expect, onTestFinished } from 'vitest';
import { type Content, UnpackBudget } from '../../../src/client/comparison/archive-content.ts';
import { compareFiles, type FileComparison } from '../../../src/client/comparison/compare-files.ts';

export async function scratch(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'quorate-test-compare-'));
  onTestFinished(() => rm(made, { recursive: true, force: true }));
  return made;
}

/** In pieces whose size is no power of two. */
export const contentOf = (bytes: Uint8Array): Content => ({
  size: bytes.length,
  async *open() {
    for (let at = 0; at < bytes.length; at += 70_001) yield bytes.subarray(at, at + 70_001);
  },
});

export async function compare(a: Uint8Array, b: Uint8Array): Promise<FileComparison> {
  expect(Buffer.compare(a, b)).not.toBe(0);
  const budget = new UnpackBudget(AbortSignal.timeout(120_000));
  return compareFiles(contentOf(a), contentOf(b), { scratch: await scratch(), budget });
}

export const same = async (a: Uint8Array, b: Uint8Array): Promise<readonly string[]> => {
  const found = await compare(a, b);
  expect(found, JSON.stringify(found)).toMatchObject({ result: 'normalised', members: [], reasons: [] });
  return found.normalisations;
};
export const different = async (a: Uint8Array, b: Uint8Array): Promise<FileComparison> => {
  const found = await compare(a, b);
  expect(found).toMatchObject({ result: 'different', normalisations: [] });
  return found;
};
/** Differences of the members that differ. */
export const members = async (a: Uint8Array, b: Uint8Array) =>
  (await different(a, b)).members.map(({ path, fields }) => `${path}: ${fields.join()}`);
export const reasons = async (a: Uint8Array, b: Uint8Array) => (await different(a, b)).reasons.join('; ');

export type TarEntry = Partial<Header> & { name: string; body?: string };

export async function tar(entries: readonly TarEntry[]): Promise<Buffer> {
  const packer = pack();
  for (const { body = '', ...header } of entries) packer.entry({ mtime: new Date(1000), ...header }, body);
  packer.finalize();
  const chunks: Uint8Array[] = [];
  for await (const chunk of packer as AsyncIterable<Uint8Array>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

export const run = (program: string, args: readonly string[], cwd: string): Buffer =>
  execFileSync(program, args, { cwd, timeout: 120_000, stdio: ['ignore', 'pipe', 'ignore'] });
