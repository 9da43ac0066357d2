import { Hono } from 'hono';
import { describe, expect, it, onTestFinished } from 'vitest';
import { projectView } from '../../../src/controller/node/project-view.ts';
import { controllerApp } from '../../../src/controller/page/controller-app.ts';
import type { HttpEnv } from '../../../src/http/env.ts';
import { viewOf } from '../../http/support.ts';
import { signedInPublisher, startSignIn } from '../../support/sign-in.ts';
import { WebClient } from '../../support/web-client.ts';
import { built, deliverAll, leasedRound, other } from '../machine/bench.ts';

const origin = 'http://127.0.0.1:4998';

/** A controller's pages with a disputed run, a publisher who is signed in, and a stranger. */
async function disputed() {
  const { bench, run, leases } = await leasedRound({ policy: { rounds: 1, cosign: 'none', agree: 3 } });
  await deliverAll(bench, leases, [built, other, built]);
  const now = Date.now();
  const people = await startSignIn(`origin = "${origin}"`, { now: () => now });
  onTestFinished(() => people.close());
  const view = projectView({
    project: bench.paper.root.id,
    name: 'demo',
    state: bench.controller.state,
    addresses: () => [],
    equivocations: () => [],
  });
  const site = controllerApp({
    view: viewOf(),
    pages: { view } as never,
    people,
    version: '0',
    acknowledge: async (of, by) => void bench.send({ kind: 'acknowledge', run: of, by }),
    cancel: { may: () => false, run: async () => {} },
  });
  onTestFinished(() => site.close());
  const app = new Hono<HttpEnv>().route('/', site.app);
  const ada = await signedInPublisher(app, origin, now);
  const page = `${origin}/runs/${run}`;
  return { bench, run, ada, stranger: new WebClient({ [origin]: app }), page };
}

const csrfIn = (text: string): string => /name="csrf" value="([^"]+)"/.exec(text)?.[1] ?? '';

describe('an alarm on the pages', () => {
  it('stands until a publisher who is signed in says that it was looked at', async () => {
    const { bench, run, ada, page } = await disputed();
    expect((await ada.ask(`${origin}/`)).text).toContain('Alarm: in 1 run somebody built something else.');
    const { text } = await ada.ask(page);
    const form = { csrf: csrfIn(text) };
    const answer = await ada.ask(`${page}/acknowledge`, { form, from: origin });
    expect([answer.status, answer.headers.get('location')]).toEqual([303, `/runs/${run}`]);
    expect(bench.progress(run, 'acknowledged')).toMatchObject([{ by: 'ada' }]);
    for (const path of [page, `${origin}/`]) expect((await ada.ask(path)).text).not.toMatch(/Alarm/);
    expect((await ada.ask(page)).text).toContain('ada has looked at it');
    // It is disputed all the same.
    expect((await ada.ask(page)).text).toContain('<span class="chip disputed">disputed</span>');
  });

  it('is ended by nobody else, and by no page of others', async () => {
    const { bench, run, ada, stranger, page } = await disputed();
    const { text } = await stranger.ask(page);
    expect(text).toContain('It stays an alarm until somebody who may publish has looked at it');
    expect(csrfIn(text)).toBe('');
    const taken = { csrf: csrfIn((await ada.ask(page)).text) };
    expect((await stranger.ask(`${page}/acknowledge`, { form: taken, from: origin })).status).toBe(401);
    for (const [form, from] of [
      [{ csrf: '' }, origin],
      [taken, 'https://evil.example'],
    ] as const)
      expect((await ada.ask(`${page}/acknowledge`, { form, from })).status).toBeGreaterThanOrEqual(400);
    expect(bench.progress(run, 'acknowledged')).toEqual([]);
  });
});
