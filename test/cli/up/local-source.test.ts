import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { openSource } from '../../../src/cli/up/local-source.ts';
import { openPlayed } from '../../../src/cli/up/played-project.ts';
import { repo } from '../../source/support.ts';

it('the end of one that was never ready leaves the file of another', async () => {
  const root = await repo();
  const file = join(root, '.quorate', 'up', 'up.json');
  const first = await openSource(root, await openPlayed(root));
  onTestFinished(() => first.close());
  await first.announce();
  const second = await openSource(root, await openPlayed(root));
  await second.close();
  expect(existsSync(file)).toBe(true);
  await first.close();
  expect(existsSync(file)).toBe(false);
});
