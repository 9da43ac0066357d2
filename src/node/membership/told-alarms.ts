import { join } from 'node:path';
import { z } from 'zod';
import { readJson, writeJson } from '../files.ts';
import type { Home } from './home.ts';

/** Runs that are remembered; older ones are no longer among those that a controller lists. */
const runsMax = 1000;
const runsSchema = z.array(z.string().max(64)).max(runsMax);
/** Before there were checksums the file was the list alone. */
const schema = z.union([runsSchema, z.strictObject({ runs: runsSchema }).transform(({ runs }) => runs)]);

const fileOf = ({ dir }: Home, project: string): string => join(dir, `told-alarms-${project}.json`);

/** Runs whose alarm was told by a command of this home folder. @throws HOME_DAMAGED, HOME_UNREADABLE */
export async function toldAlarms(home: Home, project: string): Promise<string[]> {
  return (await readJson(fileOf(home, project), schema, 'Remove it: every alarm is told once more.')) ?? [];
}

/** Remembers that the alarms of these runs were told. @throws as `toldAlarms`, of writing */
export async function rememberTold(home: Home, project: string, runs: readonly string[]): Promise<void> {
  const all = new Set([...(await toldAlarms(home, project)), ...runs]);
  await writeJson(fileOf(home, project), { runs: [...all].slice(-runsMax) });
}
