import { expect, it } from 'vitest';
import { publishAll } from '../../../src/client/commands/publish.ts';
import type { SubmitOptions } from '../../../src/member/submit.ts';

/** Words of the requests that are made of two jobs of a commit. */
async function wordsOf(words: object | undefined) {
  const submitted: SubmitOptions[] = [];
  const client = {
    submit: async (options: SubmitOptions) => {
      submitted.push(options);
      return { run: `run of ${options.job.name}`, job: 'j' };
    },
  };
  const jobs = ['build', 'test'].map((name) => ({ instance: { name, needs: [] }, job: { name, trust: {} } }));
  const out = {
    value() {},
    say() {},
    id: String,
    colours: { dim: String },
    board: () => ({ set() {}, end() {} }),
  };
  const { signal } = new AbortController();
  const prepared = { ref: 'refs/heads/main', commit: 'c', tree: 't', jobs, words };
  const how = { rebuild: false, dependenciesOf: () => undefined };
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
