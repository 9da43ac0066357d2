import { existsSync } from 'node:fs';
import { beforeAll, expect, it, vi } from 'vitest';
import { codeIn, Person } from './support/person.ts';
import { provider } from './support/provider.ts';

let person: Person;

beforeAll(async () => {
  person = await Person.arrive();
  vi.stubEnv('TMPDIR', person.tmp);
});

it('fetch from a provider that sends wrong bytes names it, writes nothing, and works with an honest one', async () => {
  const { where, artifact } = await provider(person.at('liar'), 3_000_000, { spoilAt: 1_500_000 });
  const fetch = await person.inside(['fetch', artifact, '-o', person.at('got'), ...where]);
  expect([fetch.code, codeIn(fetch.err)], fetch.report).toEqual([3, 'TRANSFER_FAILED']);
  expect(fetch.err).toMatch(/12D3KooW\w+: (TRANSFER_HASH_MISMATCH|CAR_MALFORMED), .+\nhint: .+\n$/);
  expect(existsSync(person.at('got'))).toBe(false);
  expect(await person.litter()).toEqual([]);

  const honest = await provider(person.at('honest'), 1_000);
  const again = await person.inside(['fetch', honest.artifact, '-o', person.at('got'), ...honest.where]);
  expect(again.code, again.report).toBe(0);
});
