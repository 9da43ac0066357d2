import { join } from 'node:path';
import { z } from 'zod';
import { parseFile, readOptional, writeAtomic } from '../node/files.ts';
import type { Home } from './home.ts';

/** Runs that are remembered; older ones are no longer among those that a controller lists. */
const runsMax = 1000;
const schema = z.array(z.string().max(64)).max(runsMax);

const fileOf = ({ dir }: Home, project: string): string => join(dir, `looked-at-${project}.json`);

/** Runs whose disputes were looked at from this home folder. Errors: `HOME_DAMAGED`, `HOME_UNREADABLE`. */
export async function runsLookedAt(home: Home, project: string): Promise<string[]> {
  const path = fileOf(home, project);
  const text = await readOptional(path);
  return text === undefined ? [] : parseFile(path, text, schema, 'Remove it: every dispute is told again.');
}

/** Remembers that the dispute of this run was looked at. Errors: those of `runsLookedAt`, of writing. */
export async function lookAt(home: Home, project: string, run: string): Promise<void> {
  const before = await runsLookedAt(home, project);
  if (before.includes(run)) return;
  const runs = [...before, run].slice(-runsMax);
  await writeAtomic(fileOf(home, project), JSON.stringify(runs));
}
