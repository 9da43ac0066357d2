import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { isGrantDue, originOf, signInWithKey, whoIs } from '../../src/client/login.ts';
import { signMessage } from '../../src/protocol/documents/index.ts';
import { makeGrant } from '../support/documents.ts';
import { idp, project, workerKey } from '../support/project.ts';

const { signal } = new AbortController();
const now = Date.parse('2026-11-01T00:00:00Z');

/** A service that answers at these paths; what it was asked. */
async function service(answers: (origin: string) => Record<string, unknown>) {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (text) => {
      body += text;
    });
    request.on('end', () => {
      asked.push(
        `${request.method} ${request.url} ${request.headers.authorization ?? ''}${body.slice(0, 2)}`,
      );
      const answer = answers(origin)[request.url ?? ''];
      if (typeof answer === 'string') return void response.writeHead(400).end(answer);
      response.end(JSON.stringify(answer ?? {}));
    });
  });
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { origin, asked };
}

const signIn = (origin: string) =>
  signInWithKey(origin, {
    now,
    signal,
    key: workerKey('ada') as never,
    membership: { project, grant: 'a.b.c' } as never,
  });

describe('the address of a service', () => {
  it.each([
    ['https://ci.example/any/page?x', 'https://ci.example'],
    ['http://localhost:3000/', 'http://localhost:3000'],
    ['http://127.1.2.3', 'http://127.1.2.3'],
    ['http://[::1]:1/x', 'http://[::1]:1'],
  ])('is that of its origin: %s', (address, origin) => {
    expect(originOf(address)).toBe(origin);
  });

  it.each(['http://ci.example', 'ftp://localhost', 'ci.example', '', 'http://127.0.0.1.example'])(
    'is https, or of this host: not %j',
    (address) => {
      expect(() => originOf(address)).toThrow(/is not an https address/);
    },
  );
});

describe('signing in with a key', () => {
  const challenge = (origin: string, more = {}) => ({ challenge: 'c', project, aud: origin, ...more });

  it('gives the address that the service answers with', async () => {
    const { origin, asked } = await service((at) => ({
      '/sign-in/challenge': challenge(at),
      '/sign-in/key': { url: `${at}/in?once` },
    }));
    expect(await signIn(origin)).toBe(`${origin}/in?once`);
    expect(asked).toEqual(['POST /sign-in/challenge {}', 'POST /sign-in/key {"']);
  });

  it.each<[string, (origin: string) => Record<string, unknown>, RegExp, number]>([
    [
      'says that it is another one',
      () => ({ '/sign-in/challenge': challenge('https://other.example') }),
      /says that it is https:\/\/other\.example/,
      1,
    ],
    [
      'says that it is of another project',
      (at) => ({ '/sign-in/challenge': challenge(at, { project: 'other' }) }),
      /of project other/,
      1,
    ],
    [
      'leads to another one',
      (at) => ({ '/sign-in/challenge': challenge(at), '/sign-in/key': { url: 'https://other.example/' } }),
      /leads to another site/,
      2,
    ],
    [
      'leads nowhere',
      (at) => ({ '/sign-in/challenge': challenge(at), '/sign-in/key': { url: 'nowhere' } }),
      /leads to another site/,
      2,
    ],
    ['answers with something else', () => ({}), /is not a place to sign in: it answers 200/, 1],
    ['answers with no JSON', () => ({ '/sign-in/challenge': 'no JSON' }), /it answers 400/, 1],
  ])('is refused where the service %s', async (_, answers, says, count) => {
    const { origin, asked } = await service(answers);
    await expect(signIn(origin)).rejects.toMatchObject({
      code: 'LOGIN_REFUSED',
      message: expect.stringMatching(says),
    });
    expect(asked).toHaveLength(count);
  });

  it('ends with the error that the service reports, or where none is there', async () => {
    const error = { code: 'SIGN_IN_REVOKED', message: 'gone\u001b[2J' };
    const { origin, asked } = await service(() => ({ '/sign-in/session': JSON.stringify({ error }) }));
    await expect(whoIs(origin, 'token', signal)).rejects.toMatchObject({
      message: expect.not.stringContaining('\u001b'),
    });
    expect(asked).toEqual(['GET /sign-in/session Bearer token']);
    await expect(whoIs('http://127.0.0.1:9', 'token', signal)).rejects.toMatchObject({
      code: 'LOGIN_UNREACHABLE',
    });
    // A mistake of ours is none of the service.
    await expect(whoIs('no address', 'token', signal)).rejects.toThrow(TypeError);
  });
});

it('a grant is renewed before a sign-in that it would not outlast by ten minutes', async () => {
  const grant = makeGrant(workerKey('ada') as never, 'ada', 'reader');
  const { raw } = await signMessage('grant', grant, idp.signer);
  const due = (left: number) => isGrantDue({ grant: raw } as never, (grant.exp - left) * 1000);
  expect([await due(601), await due(600), await due(599)]).toEqual([false, false, true]);
});
