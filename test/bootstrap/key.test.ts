import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { folder } from '../mesh/harness.ts';
import { inSmallFiles } from '../support/small-files.ts';

it('a key for which the disk has no room is no empty file, at which the next start would fail', () => {
  const dir = folder();
  const text = `const { loadKey } = await import('./key.ts');
    await Promise.try(loadKey, ${JSON.stringify(join(dir, 'key'))}).catch(({ code }) => console.log(code));`;
  const said = inSmallFiles(0, join(import.meta.dirname, '../../bootstrap'), text);
  expect([said, readdirSync(dir)]).toEqual(['BOOTSTRAP_KEY_UNREADABLE\n', []]);
});
