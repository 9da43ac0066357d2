import { Hono } from 'hono';
import { describe, expect, it, onTestFinished } from 'vitest';
import { projectView } from '../../../src/controller/node/project-view.ts';
import { addCancelRoute } from '../../../src/controller/page/actions.ts';
import { controllerApp } from '../../../src/controller/page/controller-app.ts';
import type { HttpEnv } from '../../../src/http/env.ts';
import { wholeApp } from '../../../src/http/listen.ts';
import { QuorateError } from '../../../src/protocol/base/errors.ts';
import { leasedRound } from '../../controller/machine/bench.ts';
import { viewOf } from '../../http/support.ts';
import { publisher, testKey } from '../../support/documents.ts';
import { signedInPublisher, startSignIn } from '../../support/sign-in.ts';
import { WebClient } from '../../support/web-client.ts';

const origin = 'http://127.0.0.1:4992';
const csrfIn = (text: string): string => /name="csrf" value="([^"]+)"/.exec(text)?.[1] ?? '';

/** A controller's pages with a run of `ada` that is being built, and people who sign in. */
async function building() {
  const { bench, run } = await leasedRound();
  const now = Date.now();
  const people = await startSignIn(`origin = "${origin}"`, { now: () => now });
  onTestFinished(() => people.close());
  const { state } = bench.controller;
  const view = projectView({
    project: bench.paper.root.id,
    name: 'demo',
    state,
    addresses: () => [],
    equivocations: () => [],
  });
  // The bench has keys of its own.
  const keyOf = (key: string) => (key === publisher.id ? bench.id('publisher') : key);
  const cancel = {
    may: (of: string, key: string) => state.index.open.get(of)?.request.signer === keyOf(key),
    async run(which: string, key: string, reason: string) {
      const effects = bench.send({ kind: 'cancel', token: 'c', which, by: keyOf(key), reason });
      for (const effect of effects)
        if (effect.kind === 'reply' && effect.reply.kind === 'error')
          throw new QuorateError(effect.reply.code as never, effect.reply.message);
    },
  };
  const ports = { view: viewOf(), pages: { view } as never, people, version: '0', cancel };
  const site = controllerApp({ ...ports, acknowledge: async () => {} });
  onTestFinished(() => site.close());
  const app = wholeApp(new Hono<HttpEnv>().route('/', site.app));
  const page = `${origin}/runs/${run}`;
  return {
    bench,
    run,
    app,
    page,
    people,
    cancel,
    view,
    ada: await signedInPublisher(app, origin, now),
    signIn: (who: Parameters<typeof signedInPublisher>[3]) => signedInPublisher(app, origin, now, who),
    cancelled: () => bench.progress(run, 'cancelled'),
  };
}

describe('a run is cancelled on its page', () => {
  it('by the key that published it, once; others read the command', async () => {
    const { ada, app, page, cancelled, run } = await building();
    const form = { csrf: csrfIn((await ada.ask(page)).text) };
    const stranger = (await new WebClient({ [origin]: app }).ask(page)).text;
    expect([csrfIn(stranger), stranger.includes(`quorate cancel ${run.slice(0, 10)}`)]).toEqual(['', true]);
    const answer = await ada.ask(`${page}/cancel`, { form, from: origin });
    expect([answer.status, answer.headers.get('location')]).toEqual([303, `/runs/${run}`]);
    expect(cancelled()).toEqual([{ kind: 'cancelled', reason: 'by ada' }]);
    expect((await ada.ask(page)).text).not.toContain('id="cancel"');
    // The same form again, of a run that is over.
    const again = await ada.ask(`${page}/cancel`, { form, from: origin });
    expect([again.status, again.text]).toEqual([409, expect.stringContaining('RUN_OVER')]);
    expect(cancelled()).toHaveLength(1);
  });

  it('by nobody who is not signed in, nor by a reader', async () => {
    const { app, ada, page, cancelled, signIn } = await building();
    const taken = { csrf: csrfIn((await ada.ask(page)).text) };
    const stranger = new WebClient({ [origin]: app });
    expect((await stranger.ask(`${page}/cancel`, { form: taken, from: origin })).status).toBe(401);
    const reader = await signIn({ key: testKey('rita'), operator: 'rita', role: 'reader' });
    const own = { csrf: csrfIn((await reader.ask(`${origin}/sign-out`)).text) };
    const refused = await reader.ask(`${page}/cancel`, { form: own, from: origin });
    expect([refused.status, refused.text]).toEqual([403, expect.stringContaining('SIGN_IN_ROLE')]);
    expect(cancelled()).toEqual([]);
  });

  it.each([
    ['another publisher', 'eve'],
    ['another machine of the same operator', 'ada'],
  ])('by no other key that may publish: %s', async (_, operator) => {
    const { page, cancelled, signIn } = await building();
    const eve = await signIn({ key: testKey('eve'), operator });
    expect(csrfIn((await eve.ask(page)).text)).toBe('');
    const own = { csrf: csrfIn((await eve.ask(`${origin}/sign-out`)).text) };
    const answer = await eve.ask(`${page}/cancel`, { form: own, from: origin });
    expect([answer.status, answer.text]).toEqual([403, expect.stringContaining('CANCEL_PUBLISHER_MISMATCH')]);
    expect(cancelled()).toEqual([]);
  });

  it('by no page of another site, and with no token but that of the session', async () => {
    const { ada, page, cancelled, signIn, cancel, view, run } = await building();
    const eve = await signIn({ key: testKey('eve'), operator: 'eve' });
    const own = { csrf: csrfIn((await ada.ask(page)).text) };
    const hers = { csrf: csrfIn((await eve.ask(`${origin}/sign-out`)).text) };
    // A browser that sends the cookie along.
    for (const [name, cookie] of ada.cookies(origin))
      ada.cookies(origin).set(name, { ...cookie, isStrict: false });
    for (const [form, from] of [
      [own, 'https://evil.example'],
      [{}, origin],
      [hers, origin],
    ] as const) {
      const answer = await ada.ask(`${page}/cancel`, { form, from });
      expect([answer.status, answer.text]).toEqual([403, expect.stringContaining('SIGN_IN_CSRF')]);
    }
    expect(await ada.ask(`${page}/cancel`)).toMatchObject({ status: 404 });
    expect(cancelled()).toEqual([]);
    // The control: the same without the guard of its app.
    const unguarded = new Hono<HttpEnv>();
    const person = { person: publisher.id, operator: 'ada', role: 'publisher' };
    addCancelRoute(unguarded, { view, cancel, sessionOf: () => person } as never);
    expect((await unguarded.request(`/runs/${run}/cancel`, { method: 'POST' })).status).toBe(303);
    expect(cancelled()).toHaveLength(1);
  });

  it('by an account never, whatever its person is called', async () => {
    const { view, cancel, run, cancelled } = await building();
    const app = new Hono<HttpEnv>();
    const account = { person: publisher.id, role: 'publisher' };
    addCancelRoute(app, { view, cancel, sessionOf: () => account } as never);
    const answer = await wholeApp(app).request(`/runs/${run}/cancel`, { method: 'POST' });
    expect([answer.status, cancelled()]).toEqual([403, []]);
  });

  it('by its whole id only: not by its start, and none that there is not', async () => {
    const { ada, run, page, cancelled } = await building();
    const form = { csrf: csrfIn((await ada.ask(page)).text) };
    for (const id of [run.slice(0, 10), 'f'.repeat(64), '..%2f..%2fx', `${run}%00`]) {
      const answer = await ada.ask(`${origin}/runs/${id}/cancel`, { form, from: origin });
      expect([id, answer.status]).toEqual([id, 404]);
    }
    expect(cancelled()).toEqual([]);
  });
});
