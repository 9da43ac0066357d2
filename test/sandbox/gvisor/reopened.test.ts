import { release } from 'node:os';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openSandbox } from '../../../sandbox/index.ts';
import { tempFolder } from '../support.ts';

let folder: Awaited<ReturnType<typeof tempFolder>>;
beforeAll(async () => {
  folder = await tempFolder();
});
afterAll(() => folder.remove());

it('a sandbox that is opened again says the kernel that builds see, as the first one did', async () => {
  const [first, second] = [
    await openSandbox(folder.path, 'gvisor'),
    await openSandbox(folder.path, 'gvisor'),
  ];
  expect(first.unpinned.kernel).not.toBe(release());
  expect(second.unpinned).toEqual(first.unpinned);
});
