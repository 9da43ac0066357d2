import { join } from 'node:path';
import { z } from 'zod';
import { readJson, writeJson } from '../files.ts';

const schema = z.object({ tiers: z.array(z.unknown()) });
const fileOf = (home: string): string => join(home, 'tiers.json');

/** Tiers of sandboxes that the operator of a home folder agreed to last. @throws HOME_DAMAGED, HOME_NEWER, HOME_UNREADABLE */
export async function agreedTiers(home: string): Promise<readonly unknown[]> {
  return (await readJson(fileOf(home), schema, 'Remove it.'))?.tiers ?? [];
}

/** Records tiers that the operator agreed to. @throws HOME_UNWRITABLE */
export const rememberTiers = (home: string, tiers: readonly string[]): Promise<void> =>
  writeJson(fileOf(home), { tiers });
