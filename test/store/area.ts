import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { CID } from 'multiformats/cid';
import { create } from 'multiformats/hashes/digest';
import { onTestFinished } from 'vitest';
import { rawCode } from '../../src/protocol/base/car.ts';
import { Blocks } from '../../src/store/blocks.ts';
import { folder, noiseBytes } from './support.ts';

export function block(seed: number, size: number): { cid: CID; bytes: Uint8Array } {
  const bytes = noiseBytes(size, seed);
  const digest = createHash('sha256').update(bytes).digest();
  return { cid: CID.createV1(rawCode, create(0x12, digest)), bytes };
}

export const packsIn = (dir: string) => readdirSync(dir).filter((name) => name.endsWith('.car'));

/** Blocks in a folder, closed after the test. */
export async function area(dir?: string): Promise<Blocks> {
  const blocks = await Blocks.open(dir ?? (await folder()));
  onTestFinished(() => blocks.close());
  return blocks;
}
