import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { type Client, openClient } from '../../src/member/client.ts';
import { ownerMembership } from '../../src/member/owner-membership.ts';
import type { SubmitOptions } from '../../src/member/submit.ts';
import { type Home, openHome } from '../../src/node/membership/home.ts';
import { initProject, type ProjectFolder } from '../../src/owner/project-folder.ts';
import type { Membership } from '../../src/protocol/sessions/credentials.ts';
import { sessionTimes } from '../../src/protocol/sessions/limits.ts';
import { meteredBounds } from '../../src/protocol/wire/bounds.ts';
import { apiDownSchema, decodeMessage, encodeMessage } from '../../src/protocol/wire/messages.ts';
import { protocols } from '../../src/protocol/wire/protocols.ts';
import { store } from '../store/support.ts';
import { codeOf } from '../support/code-and-folder.ts';
import { loopbackController } from '../support/controller.ts';
import { cidOf, makeJob } from '../support/documents.ts';
import { loopbackMesh } from '../support/mesh.ts';
import { withLimits } from '../support/with-limits.ts';

let dir: string;
let folder: ProjectFolder;
let home: Home;
let membership: Membership;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'quorate-answers-'));
  folder = await initProject(dir, { name: 'project', vcs: [], bootstrap: [] });
  const controller = await loopbackController(folder);
  home = openHome(join(dir, 'owner'));
  membership = await ownerMembership(home, folder, AbortSignal.timeout(60_000));
  await controller.close();
});
afterAll(() => rm(dir, { recursive: true, force: true }));

/** A client of what answers each question in the place of the controller, and the kinds of the questions. */
async function answered(
  answer: (kind: string) => object | undefined,
  signal = AbortSignal.timeout(100_000),
): Promise<{ client: Client; asked: string[]; questions: Record<string, string>[] }> {
  // However busy this machine is.
  withLimits(sessionTimes, { searchMs: 60_000 });
  const mesh = await loopbackMesh(folder.controller.seed);
  onTestFinished(() => mesh.close());
  const asked: string[] = [];
  const questions: Record<string, string>[] = [];
  mesh.handle(
    protocols.api,
    async (channel) => {
      for (;;) {
        const question = await channel.receive();
        if (question === undefined) return channel.close();
        const whole = JSON.parse(Buffer.from(question).toString());
        const { kind } = whole;
        asked.push(kind);
        questions.push(whole);
        const said = answer(kind);
        if (said === undefined) return new Promise(() => {});
        await channel.send(Buffer.from(JSON.stringify(said)));
      }
    },
    meteredBounds('api'),
  );
  const controllers = [{ id: folder.controller.id, addrs: mesh.addresses() }];
  const client = await openClient({
    home,
    membership: { ...membership, controllers, bootstrap: [] },
    signal,
  });
  onTestFinished(() => client.close());
  return { client, asked, questions };
}

const run = 'f'.repeat(64);
const refused = (code: string) => ({ kind: 'error', code, message: 'no' });

function order(url?: string): SubmitOptions {
  const { name, source, ...job } = makeJob({ image: 'host' });
  return {
    repo: { url: url ?? source.url, ref: 'refs/heads/main' },
    commit: source.commit,
    tree: source.tree,
    job: { ...job, name, trust: { ...folder.charter.floor } } as SubmitOptions['job'],
    policy: folder.charter.floor,
    expiresSeconds: 3600,
  };
}

describe('a client', () => {
  it('takes no answer for another one', async () => {
    let kind = 'acknowledged';
    const { client, asked } = await answered(() => ({ kind, run }));
    for (const act of [
      () => client.submit(order()),
      () => client.jobs(),
      () => client.show(run),
      () => client.cancel(run, 'x'),
      () => client.bring({} as never, `bafy${'a'.repeat(55)}`, () => {}),
    ])
      expect(await codeOf(act)).toBe('CONTROLLER_UNEXPECTED_ANSWER');
    kind = 'cancelled';
    expect(await codeOf(() => client.acknowledge(run))).toBe('CONTROLLER_UNEXPECTED_ANSWER');
    expect(asked).toEqual(['submit', 'jobs', 'show', 'cancel', 'bring', 'acknowledge']);
    // One that no worker could fetch is not sent.
    expect(await codeOf(() => client.submit(order('https://127.0.0.1/tool')))).toBe(
      'SOURCE_HOST_NOT_ALLOWED',
    );
    expect(asked).toHaveLength(6);
  });

  it.each([
    ['JOB_UNKNOWN', ['jobs']],
    ['GRANT_ISSUER_MISMATCH', ['jobs', 'renew']],
    ['REQUEST_AUDIENCE_MISMATCH', ['jobs', 'charter']],
  ])('that is refused with %s asks again only where another key may answer: %j', async (code, kinds) => {
    const { client, asked } = await answered((kind) => refused(kind === 'renew' ? 'ROLE_FORBIDDEN' : code));
    expect(await codeOf(() => client.jobs())).toBe(kinds.includes('renew') ? 'ROLE_FORBIDDEN' : code);
    expect(asked).toEqual(kinds);
  });

  it('signs what is asked for, and no more, and believes no id of the answer', async () => {
    const job = cidOf('of another');
    const { client, questions } = await answered(() => ({ kind: 'accepted', run, job }));
    const request = (n: number) => {
      const [, payload = ''] = questions[n]?.request?.split('.') ?? [];
      return JSON.parse(Buffer.from(payload, 'base64url').toString());
    };
    const submitted = await client.submit(order());
    expect(submitted.run).not.toBe(run);
    expect(submitted.job).toBe(request(0).job);
    const plain = request(0);
    expect([plain.needs, plain.recipe, plain.rebuild, plain.exp - plain.iat]).toEqual([
      ...[undefined, undefined, false, 3600],
    ]);
    const more = {
      needs: { lib: { request: run, level: 'trusted' as const } },
      recipe: { repo: 'https://git.example.org/r', commit: 'a'.repeat(40), path: 'q.yaml', sha256: run },
      stamp: { jti: 'j'.repeat(22), iat: plain.iat },
      rebuild: true,
    };
    await client.submit({ ...order(), ...more });
    const { stamp, ...fields } = more;
    expect(request(1)).toMatchObject({ ...fields, ...stamp });
    expect(JSON.parse(questions[1]?.job ?? '').source.commit).toBe(plain.commit);
    // Words of a push are of no form that a reader has to know.
    expect([plain, request(1)].some((one) => 'more' in one)).toBe(false);
    await client.submit({
      ...order(),
      words: { push: 'push-of-ada', subject: `one\n${'x'.repeat(300)}`, author: 'Ada' },
    });
    expect(request(2).more).toEqual({
      push: 'push-of-ada',
      commit: { subject: `one ${'x'.repeat(195)}…`, author: 'Ada' },
    });
  });

  it('lists those of a ref, also by a controller of before, which tells of all', async () => {
    const of = (ref: string) => ({
      run,
      job: cidOf('job'),
      name: 'app',
      repo: 'r',
      ref,
      commit: 'c',
      state: 'building',
      level: null,
      artifact: null,
      submittedAt: 1,
      round: 1,
      policy: { agree: 1, of: 1, cosign: false },
    });
    const refs = ['refs/heads/main', 'refs/heads/topic', 'refs/tags/main'];
    const damaged = [{ ...of('refs/heads/main'), run: 1 }, 'x'];
    const { client } = await answered(() => ({ kind: 'jobs', jobs: [...refs.map(of), ...damaged] }));
    expect((await client.jobs()).unread).toBe(2);
    const listed = async (ref?: string) => (await client.jobs(ref)).jobs.map((job) => job.ref);
    expect(await listed()).toEqual(refs);
    expect(await listed('main')).toEqual(['refs/heads/main', 'refs/tags/main']);
    expect(await listed('refs/tags/main')).toEqual(['refs/tags/main']);
  });

  it('serves one store for what it brings, and shows no progress of a later version', async () => {
    const tree = cidOf('tree');
    const summary = {
      run,
      job: tree,
      name: 'app',
      repo: 'r',
      ref: 'main',
      commit: 'c',
      state: 'building',
      level: null,
      artifact: null,
      submittedAt: 1,
      round: 1,
      policy: { agree: 1, of: 1, cosign: false },
    };
    const history = [
      { at: 1, progress: { kind: 'of a later version' } },
      { at: 2, progress: { kind: 'reopened', reason: 'x' } },
      // One that does not decode hides no others.
      ...[{ at: 3, progress: { kind: 'reopened', reason: 1 } }, { at: -1, progress: null }, 'x'],
    ];
    const answers: Record<string, object> = {
      bring: { kind: 'brought', tree },
      show: {
        kind: 'job',
        summary,
        history,
        pipeline: [
          { run, name: 'app', state: 'building', level: null, needs: [] },
          { run, name: 'lib', state: 'done', level: 'of a later version', needs: [] },
        ],
      },
    };
    const { client } = await answered((kind) => answers[kind]);
    const one = await store();
    for (let n = 0; n < 2; n++) await client.bring(one, tree, () => {});
    await expect(async () => client.bring({} as never, tree, () => {})).rejects.toThrow('one store');
    const { history: told, unread, pipeline } = await client.show(run);
    expect([told.map(({ at }) => at), unread]).toEqual([[2], 5]);
    expect(pipeline.map(({ name }) => name)).toEqual(['app']);
    // Nor does one of a run that is followed, of whatever time.
    for (const event of [{ at: -1, progress: null }, { progress: 1 }, { at: 1 }]) {
      const answer = encodeMessage({ kind: 'progress', ...event });
      expect(decodeMessage(answer, apiDownSchema, 'it')).toMatchObject({ progress: null });
    }
  });

  it('ends with the reason of its caller', async () => {
    const stop = new AbortController();
    const reason = new Error('enough');
    const { client } = await answered(() => {
      setImmediate(() => stop.abort(reason));
      return undefined;
    }, stop.signal);
    await expect(client.jobs()).rejects.toBe(reason);
  });
});
