import { expect, it } from 'vitest';
import { openSandboxes, probe } from '../../../sandbox/index.ts';
import { tempFolder } from '../support.ts';

it('the emulated tier works here, as seen from inside, and is offered where it is named', async () => {
  const folder = await tempFolder();
  try {
    const { tiers, for: find } = await openSandboxes(folder.path, { tiers: ['vm-emulated'] });
    expect(tiers).toEqual(['vm-emulated']);
    expect(find('host')).toBeUndefined();
    expect(find('bafy')?.unpinned).toEqual({
      kernel: expect.stringMatching(/-cloud-amd64$/),
      kernelPackage: expect.stringMatching(/^\d+\.\d+\.\d+-\d/),
      kernelSha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
  } finally {
    await folder.remove();
  }
});

it('it is not looked at where nobody names it', async () => {
  const folder = await tempFolder();
  try {
    expect((await probe({ stateDir: folder.path })).map(({ tier }) => tier)).not.toContain('vm-emulated');
  } finally {
    await folder.remove();
  }
});
