import { describe, expect, it, onTestFinished } from 'vitest';
import { openForge } from '../../../src/forge/index.ts';
import { forgeLimits } from '../../../src/forge/limits.ts';
import { type Answer, ContractServer } from '../../forge/contract-server.ts';

const { signal } = new AbortController();
const pullOf = (number: number, more: object = {}) => ({
  number,
  title: 'x',
  user: { login: 'm' },
  labels: [],
  base: { ref: 'main' },
  ...more,
});

async function lying(answer: (page: number) => Answer) {
  const server = await ContractServer.start(({ query }) => answer(Number(query.page)));
  const forge = openForge({ kind: 'forgejo', project: 'owner/tool', api: server.url, token: 'secret-token' });
  onTestFinished(async () => {
    await forge.close();
    await server.close();
  });
  return { server, forge };
}

const status = { commit: 'c'.repeat(40), context: 'quorate', state: 'pending' as const, says: 'x' };

describe('a forge that lies', () => {
  it('has a list without end: it is read up to the bound', async () => {
    const { server, forge } = await lying((page) => ({
      body: Array.from({ length: forgeLimits.perPage }, (_, n) => pullOf(page * 1000 + n)),
    }));
    const { pulls } = await forge.openPulls(signal);
    expect(server.requests).toHaveLength(forgeLimits.pagesMax);
    expect(pulls).toHaveLength(forgeLimits.pagesMax * forgeLimits.perPage);
  });

  it('answers more in a page than was asked for: the rest is left out', async () => {
    const { forge } = await lying((page) => ({
      body: page > 1 ? [] : Array.from({ length: 5_000 }, (_, n) => pullOf(n + 1)),
    }));
    expect((await forge.openPulls(signal)).pulls).toHaveLength(forgeLimits.perPage);
  });

  it('answers without end: it is cut', async () => {
    const { forge } = await lying(() => ({ body: `["${'x'.repeat(forgeLimits.answerBytesMax)}"]` }));
    await expect(forge.openPulls(signal)).rejects.toMatchObject({ code: 'FORGE_ANSWER_INVALID' });
  });

  it('redirects to another host: the token does not go there', async () => {
    const other = await ContractServer.start();
    onTestFinished(() => other.close());
    for (const code of [301, 302, 303, 307, 308]) {
      const { forge } = await lying(() => ({ status: code, headers: { location: `${other.url}/steal` } }));
      await expect(forge.setStatus(status, signal)).rejects.toMatchObject({ code: 'FORGE_REDIRECTED' });
      await expect(forge.openPulls(signal)).rejects.toMatchObject({ code: 'FORGE_REDIRECTED' });
    }
    expect(other.requests).toEqual([]);
  });

  it('names things so that they would move the cursor or end a line: they are escaped', async () => {
    const { forge } = await lying(() => ({
      body: [pullOf(1, { title: '\u001b[2Jgone\nnew line\u202e', user: { login: '<b>m</b>\u0007' } })],
    }));
    const [pull] = (await forge.openPulls(signal)).pulls;
    expect(pull).toMatchObject({ title: '\\x1b[2Jgone\\x0anew line\\u202e', author: '<b>m</b>\\x07' });
  });

  it.each([
    ['what is no list', { body: { pulls: [] } }],
    ['numbers that are none', { body: [pullOf(1.5)] }],
    ['what is no JSON', { body: '<html>' }],
  ])('answers %s', async (_, answer) => {
    const { forge } = await lying(() => answer);
    await expect(forge.openPulls(signal)).rejects.toMatchObject({ code: 'FORGE_ANSWER_INVALID' });
  });

  it('quotes the token in its errors, or a page of HTML: one escaped line of it is kept', async () => {
    const { forge } = await lying(() => ({ status: 400, body: `<script>\u001b[31m${'y'.repeat(100_000)}` }));
    const error = (await forge.setStatus(status, signal).catch((cause: unknown) => cause)) as Error;
    expect(error.message.length).toBeLessThan(500);
    expect(error.message).not.toContain('\u001b');
  });
});
