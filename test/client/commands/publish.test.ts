import { expect, it } from 'vitest';
import { publishAll, timedOut } from '../../../src/client/commands/publish.ts';
import type { SubmitOptions } from '../../../src/member/submit.ts';

const jobs = ['build', 'test'].map((name) => ({ instance: { name, needs: [] }, job: { name, trust: {} } }));
const how = { rebuild: false, dependenciesOf: () => undefined };
const out = {
  value() {},
  say() {},
  id: String,
  colours: { dim: String },
  board: () => ({ set() {}, end() {} }),
};

/** Words of the requests that are made of two jobs of a commit. */
async function wordsOf(words: object | undefined) {
  const submitted: SubmitOptions[] = [];
  const client = {
    submit: async (options: SubmitOptions) => {
      submitted.push(options);
      return { run: `run of ${options.job.name}`, job: 'j' };
    },
  };
  const { signal } = new AbortController();
  const prepared = { ref: 'refs/heads/main', commit: 'c', tree: 't', jobs, words };
  await publishAll({ out, signal } as never, client as never, prepared as never, 'u', signal, how);
  const [first, second] = submitted.map((one) => one.words);
  expect(second).toEqual(first);
  return first;
}

it('all jobs that are published together name one push, and the words of the commit where they were read', async () => {
  const push = expect.stringMatching(/^[\w-]{36}$/);
  const said = { subject: 'Mend it', author: 'Ada' };
  expect(await wordsOf(said)).toEqual({ push, ...said });
  expect(await wordsOf(undefined)).toEqual({ push });
  expect((await wordsOf(said))?.push).not.toBe((await wordsOf(said))?.push);
});

it.each([
  ['the first job', 0, 'It may have arrived: quorate jobs lists it.'],
  ['the second job', 1, 'It may have arrived: quorate jobs lists it, and those published before it.'],
])('a time limit that ends while %s is published says so', async (_, before, hint) => {
  const limit = new AbortController();
  let count = 0;
  const submit = async () => {
    if (count++ < before) return { run: 'r', job: 'j' };
    limit.abort();
    throw new Error('ended');
  };
  const { signal } = new AbortController();
  const prepared = { ref: 'refs/heads/main', commit: 'c', tree: 't', jobs };
  const publishing = publishAll(
    { out, signal } as never,
    { submit } as never,
    prepared as never,
    'u',
    limit.signal,
    how,
  );
  const cause = await publishing.catch((error: unknown) => error);
  expect(timedOut(1, [], cause)).toMatchObject({ code: 'CLI_TIMEOUT', hint });
  expect(timedOut(1, ['r'], new Error('ended')).hint).toMatch(/^The job goes on/);
  expect(timedOut(1, [], new Error('ended')).hint).toMatch(/^Nothing was published/);
});
