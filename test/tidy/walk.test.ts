import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { houseFiles, root } from './house/source.ts';
import { lostIn, measured, placesIn, walkFile } from './house/walk.ts';

const places = placesIn(readFileSync(join(root, walkFile), 'utf8'));
/** There are 88 and 20. The same walk changed 100 times, and 47 times between the folders of roles, when these were divided by layer. */
const most = { changes: 90, betweenRoles: 20 };

describe('the walk of one job', () => {
  it('names functions that are in the file it names; where they moved: node scripts/run.js scripts/walk.ts --write', () => {
    expect(places.length).toBeGreaterThan(100);
    expect(lostIn(places, houseFiles())).toEqual([]);
  });

  it('finds a function that is elsewhere, and one that is nowhere', () => {
    const [moved, gone] = [
      { line: 1, path: 'src/store/limits.ts', name: 'decideBy' },
      { line: 2, path: 'src/store/gone.ts', name: '#goneForGood' },
    ];
    expect(lostIn([moved, gone], houseFiles())).toEqual([
      { ...moved, elsewhere: ['src/protocol/trust/decide.ts'] },
      { ...gone, elsewhere: [] },
    ]);
  });

  it('changes its folder no more often than it did', () => {
    const paths = [
      'src/worker/b.ts',
      'src/worker/c/d.ts',
      'src/store/e.ts',
      'src/worker/b.ts',
      'src/client/f.ts',
    ];
    expect(measured(paths.map((path) => ({ path })))).toEqual({
      entries: 5,
      files: 4,
      changes: 3,
      betweenRoles: 1,
    });
    const { changes, betweenRoles } = measured(places);
    expect(changes).toBeLessThanOrEqual(most.changes);
    expect(betweenRoles).toBeLessThanOrEqual(most.betweenRoles);
  });
});
