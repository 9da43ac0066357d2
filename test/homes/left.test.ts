import { expect, it } from 'vitest';
import { formatsOf } from './formats.ts';
import { goldenHomes } from './golden.ts';
import { makeHomes } from './make.ts';

it('the newest homes of test/vectors/homes are of the formats that this version writes', async () => {
  expect(formatsOf(await makeHomes()), 'add others: node scripts/run.js scripts/golden-homes.ts').toEqual(
    goldenHomes().at(-1)?.formats,
  );
});
