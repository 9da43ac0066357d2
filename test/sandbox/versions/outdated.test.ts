import { afterAll, beforeAll, expect, it } from 'vitest';
import { openSandbox, openSandboxes, probe } from '../../../sandbox/index.ts';
import { minimums } from '../../../sandbox/versions/minimum.ts';
import { exited, play, tempFolder } from '../support.ts';

const { bubblewrap } = minimums;
/** As if a hole had been found in the bubblewrap that is installed. */
const withHole = { since: [[99, 0, 0]], why: 'CVE-2099-0001' };

let folder: Awaited<ReturnType<typeof tempFolder>>;
beforeAll(async () => {
  Object.assign(minimums, { bubblewrap: withHole });
  folder = await tempFolder();
});
afterAll(async () => {
  Object.assign(minimums, { bubblewrap });
  await folder.remove();
});

it('a tier with a known hole is not offered to strangers, who are told what mends it', async () => {
  await expect(openSandboxes(folder.path, { tiers: ['namespace'] })).rejects.toMatchObject({
    code: 'SANDBOX_UNAVAILABLE',
    message: expect.stringContaining('CVE-2099-0001'),
    hint: expect.stringContaining('apt-get install -y bubblewrap'),
  });
  const [found] = await probe({ stateDir: folder.path, of: ['namespace'] });
  expect(found?.ok).toBe(false);
  expect(found?.checks.filter(({ ok }) => !ok).map(({ name }) => name)).toEqual(['bubblewrap version']);
});

it('and still builds what is one’s own', async () => {
  const sandbox = await openSandbox(folder.path, 'namespace');
  expect((await play(sandbox, ['true'])).outcome).toEqual(exited(0));
});
