import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { IdpAuthority } from '../../src/http/sign-in/idp-authority.ts';
import { KeySignIn } from '../../src/http/sign-in/key-sign-in.ts';
import { openSignIn } from '../../src/http/sign-in/open.ts';
import { Sessions } from '../../src/http/sign-in/sessions.ts';
import { SignInFile } from '../../src/identity/oidc/settings-file.ts';
import { joseVerifier } from '../../src/identity/verifier.ts';
import { limits } from '../../src/protocol/base/limits.ts';
import { type SignIn as SignInDocument, signMessage } from '../../src/protocol/documents/index.ts';
import { at, idp, makeCharter, makeGrant, project, publisher } from '../support/documents.ts';
import { rules } from '../support/sign-in.ts';

const origin = 'http://127.0.0.1:4995';

describe('a key that signs in', () => {
  const grant = { iat: at - 60, exp: at + 300 };

  async function keyOf(charter = makeCharter(), over: Partial<ReturnType<typeof makeGrant>> = {}) {
    const clock = { ms: at * 1000 };
    const state = { charter, revoked: false, ended: [] as string[], msToVerify: 0 };
    const keySignIn = new KeySignIn({
      origin,
      now: () => clock.ms,
      hasEnded: (person) => state.ended.includes(person),
      keys: {
        charter: () => state.charter,
        verifier: {
          raw: joseVerifier.raw,
          jws: (...asked) => {
            clock.ms += state.msToVerify;
            return joseVerifier.jws(...asked);
          },
        },
        isRevoked: () => state.revoked,
      },
    });
    const { challenge } = keySignIn.challenge();
    const raw = (
      await signMessage('grant', makeGrant(publisher, 'ada', 'reader', { ...grant, ...over }), idp.signer)
    ).raw;
    const answer = async (of: Partial<SignInDocument> = {}) => {
      const iat = Math.floor(clock.ms / 1000);
      const payload = { iss: publisher.id, aud: origin, project, challenge, iat, exp: iat + 60, ...of };
      return keySignIn.answer({
        signIn: (await signMessage('sign-in', payload, publisher.signer)).raw,
        grant: raw,
      });
    };
    return { clock, state, answer, challenge };
  }

  it('answers a challenge up to its last moment', async () => {
    for (const [ms, code] of [
      [limits.signInSecondsMax * 1000, undefined],
      [limits.signInSecondsMax * 1000 + 1, 'SIGN_IN_CHALLENGE'],
    ] as const) {
      const { clock, answer } = await keyOf();
      clock.ms += ms;
      expect(
        await answer().then(
          () => undefined,
          (error) => error.code,
        ),
      ).toBe(code);
    }
    // An answer that is read in that moment, and whose signatures take longer, is a second one still.
    const twice = await keyOf();
    twice.clock.ms += limits.signInSecondsMax * 1000;
    await twice.answer();
    twice.state.msToVerify = 1;
    await expect(twice.answer()).rejects.toMatchObject({ code: 'SIGN_IN_CHALLENGE' });
    const { answer, challenge } = await keyOf();
    for (const wrong of ['', 'a.b', challenge.slice(0, -1), `${challenge}x`])
      await expect(answer({ challenge: wrong })).rejects.toMatchObject({
        code: /^$/.test(wrong) ? expect.any(String) : 'SIGN_IN_CHALLENGE',
      });
  });

  it.each<[string, (made: Awaited<ReturnType<typeof keyOf>>) => void]>([
    ['the grant ends', ({ clock }) => (clock.ms = grant.exp * 1000 + 1)],
    [
      'its issuer is no identity provider any more',
      ({ state }) => (state.charter = makeCharter({ idps: [] })),
    ],
    ['it is revoked', ({ state }) => (state.revoked = true)],
    ['sessions of the key are ended', ({ state }) => state.ended.push(publisher.id)],
    ['sessions of the operator are ended', ({ state }) => state.ended.push('ada')],
  ])('has its right until %s', async (_, end) => {
    const made = await keyOf();
    const right = await made.answer();
    expect([right.person, right.name, right.operator, right.role()]).toEqual([
      publisher.id,
      'ada',
      'ada',
      'reader',
    ]);
    made.clock.ms = grant.exp * 1000;
    expect(right.role()).toBe('reader');
    end(made);
    expect(right.role()).toBeUndefined();
  });

  it('of a worker, or with documents that cannot be read, is refused', async () => {
    const { answer } = await keyOf(makeCharter(), { role: 'worker' });
    await expect(answer()).rejects.toMatchObject({
      code: 'SIGN_IN_KEY_REFUSED',
      message: expect.stringContaining('a worker, or somebody revoked'),
    });
    const broken = new KeySignIn({
      origin,
      now: () => at * 1000,
      hasEnded: () => false,
      keys: {
        charter: () => makeCharter(),
        verifier: () => Promise.reject(new TypeError('x')),
        isRevoked: () => false,
      } as never,
    });
    await expect(broken.answer({ signIn: 'a.b.c', grant: 'a.b.c' })).rejects.toMatchObject({
      code: 'SIGN_IN_KEY_REFUSED',
    });
  });
});

describe('a file of settings', () => {
  const open = async (text: string) => {
    const path = join(await mkdtemp(join(tmpdir(), 'quorate-sign-in-')), 'sign-in.toml');
    await writeFile(path, text);
    const charter = () => makeCharter();
    return openSignIn({
      path,
      members: undefined,
      charter,
      issuer: undefined,
      checkOwn: async () => {},
      onError: () => {},
    });
  };

  it('is let go where it names a secret that is not there', async () => {
    const close = vi.spyOn(SignInFile.prototype, 'close');
    onTestFinished(() => close.mockRestore());
    const text = `origin = "${origin}"\n[provider]\nissuer = "https://login.example"\nclient-id = "a"\nclient-secret-file = "none"\n${rules}`;
    await expect(open(text)).rejects.toMatchObject({ code: 'SIGN_IN_FILE_UNREADABLE' });
    expect(close).toHaveBeenCalledOnce();
  });

  it('is let go with what asks the identity provider, when it is closed', async () => {
    const closes = [SignInFile, IdpAuthority, Sessions].map((of: { prototype: { close(): void } }) =>
      vi.spyOn(of.prototype, 'close'),
    );
    onTestFinished(() => closes.forEach((spy) => void spy.mockRestore()));
    const signed = await open(`origin = "${origin}"\n[idp]\nurl = "https://idp.example"\n`);
    expect(signed.origin).toBe(origin);
    expect(await (await signed.app.request('/sign-in')).text()).toContain('Sign in at idp.example');
    signed.close();
    for (const close of closes) expect(close).toHaveBeenCalledOnce();
  });
});
