import { expect, it } from 'vitest';
import { protocols } from '../../src/protocol/wire/protocols.ts';
import { served, tampered } from './targets/ends.ts';
import { answered, answers } from './targets/sessions.ts';
import { kinds } from './targets/wire.ts';

const ends = [...new Set(answers.map(([end]) => end))];

it.each(ends)(
  '%s ends with a code, or not at all, whatever field of an answer is missing, doubled or of another type',
  async (end) => {
    const given = answers.filter(([one]) => one === end);
    expect(given.length).toBeGreaterThan(50);
    // All of them: all-answers.test.ts. What is done to each field comes in twenty-four kinds, so that all kinds are among these.
    for (const [, text] of given.filter((_, n) => n % 7 === 0))
      await answered(end, text).catch((error: unknown) => {
        throw new Error(`${text.slice(0, 300)}: ${String(error)}`, { cause: error });
      });
  },
);

it('every end of every protocol takes a changed message or refuses it with a code, and all goes on afterwards', async () => {
  const changed = new Set<string>();
  const asked = served.flatMap(([protocol, , , table]) =>
    (kinds.find(([name]) => name === table)?.[2] ?? []).map((message) => {
      const { kind = '' } = message as { kind?: string };
      return `${protocol} up ${kind}`.trim();
    }),
  );
  const answered = {
    [protocols.feed]: ['backlog', 'checkpoint', 'error'],
    [protocols.lease]: ['standby', 'lease', 'ack', 'reveal', 'error'],
    [protocols.cosign]: ['error'],
    [protocols.api]: ['checkpoint', 'inclusion', 'error'],
    [protocols.idp]: ['charter', 'grant', 'error'],
    [protocols.pin]: ['pinned', 'error'],
    [protocols.bundle]: ['error'],
    [protocols.revocations]: ['checkpoint', 'error'],
  };
  const answers = Object.entries(answered).flatMap(([protocol, all]) =>
    all.map((kind) => `${protocol} down ${kind}`),
  );
  const missing = () => [...asked, ...answers].filter((what) => !changed.has(what));
  // Not every seed has each message changed: the first one has, and the others where it has not any more.
  for (const seed of [74, 5, 14, 23, 26, 2, 1])
    if (missing().length > 0) for (const what of await tampered(seed)) changed.add(what);
  expect(missing()).toEqual([]);
});
