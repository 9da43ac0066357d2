import { beforeEach, describe, expect, it } from 'vitest';
import { joseVerifier } from '../../../src/identity/verifier.ts';
import { signingOf } from '../../../src/node/ports.ts';
import { reportedError } from '../../../src/protocol/base/errors.ts';
import { signMessage } from '../../../src/protocol/documents/index.ts';
import type { PeerAddress, Signing } from '../../../src/protocol/sessions/ports.ts';
import { RevocationBook } from '../../../src/protocol/sessions/revocation-book.ts';
import { encodeMessage } from '../../../src/protocol/wire/messages.ts';
import { topics } from '../../../src/protocol/wire/protocols.ts';
import { ProjectWatch, type WatchPorts } from '../../../src/store-node/sessions/project-watch.ts';
import { type Asked, answering } from '../../protocol/sessions/answering.ts';
import {
  at,
  cidOf,
  controller,
  idp,
  makeCharter,
  project,
  revocationBy,
  root,
  testKey,
} from '../../support/project.ts';

const run = 'a'.repeat(64);
const tree = cidOf('tree');
const peer = { id: controller.id, addrs: ['/ip4/192.0.2.1/tcp/4711'] };
const next = testKey('the next controller');
const charterOf = async (over: Parameters<typeof makeCharter>[0]) =>
  (await signMessage('charter', makeCharter(over), root.signer)).raw;
const [first, second] = [await charterOf({}), await charterOf({ epoch: 2, controllers: [next.id] })];
const mallory = await revocationBy(idp, { kind: 'operator', id: 'mallory' });

/** A watch, the world around it, and its timer: one at a time. */
class Bench {
  answers: Record<string, (peer: string | null) => object | undefined> = {
    charter: () => ({ kind: 'charter', charter: first }),
    jobs: () => ({ kind: 'jobs', jobs: [] }),
    ask: () => ({ kind: 'revocations', charters: [], revocations: [] }),
  };
  readonly asked: string[] = [];
  readonly verdicts: unknown[] = [];
  readonly saved: string[] = [];
  /** Levels, kinds and sentences. */
  readonly told: string[] = [];
  readonly waits: number[] = [];
  readonly searched: number[] = [];
  members: PeerAddress[] = [];
  revoked = 0;
  closing = false;
  #ring = () => {};
  readonly heard = new Map<string, Parameters<WatchPorts['subscribe']>>();
  readonly watch: ProjectWatch;

  private constructor(revocations: RevocationBook) {
    const closing = () => this.closing;
    this.watch = new ProjectWatch({
      project,
      // Its spread is 1.
      signing: { ...signingOf(root.signer), nonce: () => ' ' } satisfies Signing,
      clock: {
        now: () => at * 1000,
        monotonic: () => 0,
        endOfTurn: queueMicrotask,
        onClosing: () => () => {},
        after: (ms, act) => {
          this.waits.push(ms);
          this.#ring = act;
          return () => {};
        },
        get closing() {
          return closing();
        },
      },
      dial: answering(({ kind }: Asked, id) => {
        this.asked.push(kind);
        return this.answers[kind]?.(id);
      }),
      revocations,
      known: [peer],
      subscribe: (...given) => void this.heard.set(given[0], given),
      findMembers: async (timeoutMs) => {
        this.searched.push(timeoutMs);
        return this.members;
      },
      saveCharter: async (raw) => void this.saved.push(raw),
      verdict: (hint) => void this.verdicts.push(hint),
      revoked: () => void this.revoked++,
      tell: (level, kind, says) => void this.told.push(`${level} ${kind}: ${says}`),
    });
  }

  static async open(): Promise<Bench> {
    return new Bench(await RevocationBook.open(project, joseVerifier));
  }

  /** Until it waits for the nth time. */
  async waiting(times: number): Promise<void> {
    await expect.poll(() => this.waits.length, { interval: 1 }).toBe(times);
  }

  async again(): Promise<void> {
    this.#ring();
    await this.waiting(this.waits.length + 1);
  }

  /** A message of gossip. */
  hear(topic: string, message: object): void {
    this.heard.get(topic)?.[2](encodeMessage(message));
  }
}

const unreachable = () => {
  throw reportedError('MESH_RESET', 'gone');
};

let bench: Bench;
beforeEach(async () => {
  bench = await Bench.open();
});

describe('a watch of a project', () => {
  it('asks for the charter, the list of verdicts and the revocations, and again after two minutes', async () => {
    bench.watch.start();
    expect(bench.watch.trouble).toBe('no controller of the project answers');
    await bench.waiting(1);
    expect(bench.asked).toEqual(['charter', 'jobs', 'ask']);
    expect(bench.watch.trouble).toBeNull();
    expect([bench.saved, bench.told, bench.waits, bench.searched]).toEqual([
      [first],
      ['info connected: a controller of the project answers'],
      [120_000],
      [],
    ]);
    await bench.again();
    expect([bench.told.length, bench.saved.length, bench.waits]).toEqual([1, 1, [120_000, 120_000]]);
    bench.closing = true;
    expect(bench.asked).toHaveLength(6);
  });

  it('tries again at growing intervals up to a minute, and tells of it once', async () => {
    bench.answers.jobs = unreachable;
    bench.watch.start();
    await bench.waiting(1);
    for (let n = 0; n < 7; n++) await bench.again();
    expect(bench.waits).toEqual([2, 4, 8, 16, 32, 60, 60, 60].map((seconds) => seconds * 1000));
    const unreached = expect.stringContaining('warn unreached: no controller answers, trying again: ');
    expect(bench.told).toEqual([unreached]);
    bench.answers.jobs = () => ({ kind: 'jobs', jobs: [] });
    await bench.again();
    expect(bench.told).toHaveLength(2);
    // One that answered before is told of at once, and is asked again soon.
    bench.answers.jobs = unreachable;
    await bench.again();
    expect(bench.told[2]).toEqual(unreached);
    expect(bench.waits.slice(-2)).toEqual([120_000, 1_000]);
    expect(bench.watch.trouble).not.toBeNull();
    await bench.again();
    expect([bench.waits.at(-1), bench.told.length]).toEqual([2_000, 4]);
    await bench.again();
    expect(bench.told).toHaveLength(4);
  });

  it('says nothing and does nothing more once the node shuts down', async () => {
    bench.answers.jobs = () => {
      bench.closing = true;
      throw reportedError('MESH_RESET', 'gone');
    };
    bench.watch.start();
    await expect.poll(() => bench.closing, { interval: 1 }).toBe(true);
    bench.hear(topics.verdicts(project), {});
    await new Promise((resolve) => setImmediate(resolve));
    expect([bench.told, bench.waits]).toEqual([[], []]);
  });

  it('looks for a controller that has another key among members, and passes over charters that do not hold', async () => {
    const member = { id: testKey('a member').id, addrs: ['/ip4/192.0.2.2/tcp/1'] };
    bench.members = [member, { id: next.id, addrs: ['/ip4/192.0.2.3/tcp/1'] }];
    bench.answers.charter = (id) => {
      if (id === peer.id) throw reportedError('MESH_RESET', 'gone');
      return { kind: 'charter', charter: id === member.id ? 'e30.e30.e30' : second };
    };
    bench.watch.start();
    await bench.waiting(1);
    expect(bench.searched).toEqual([5_000]);
    expect(bench.watch.controllers).toEqual([{ id: next.id, addrs: ['/ip4/192.0.2.3/tcp/1'] }]);
    expect(bench.told).toEqual([
      expect.stringContaining('warn charter: a charter was not taken: '),
      'info connected: a controller of the project answers',
    ]);
    expect([bench.watch.isController(next.id), bench.watch.isController(controller.id)]).toEqual([
      true,
      false,
    ]);
  });

  it('looks for one too where the controller answers with something else', async () => {
    bench.answers.charter = () => ({ kind: 'end' });
    bench.watch.start();
    await bench.waiting(1);
    expect(bench.searched).toEqual([5_000]);
  });

  it('takes a newer charter alone', async () => {
    const { watch, saved } = bench;
    expect([watch.controllers, watch.isController(controller.id), watch.charter]).toEqual([
      [peer],
      false,
      undefined,
    ]);
    await watch.learnCharter(second);
    for (const raw of [first, second, await charterOf({ epoch: 2, name: 'another' })])
      await watch.learnCharter(raw);
    expect([saved, watch.charter?.raw]).toEqual([[second], second]);
  });
});

const summary = (over: object) => ({
  run,
  job: cidOf('job'),
  name: 'app',
  repo: 'https://git.example/app.git',
  ref: 'refs/heads/main',
  commit: 'c0ffee'.padEnd(40, '0'),
  state: 'done',
  submittedAt: 1,
  round: 1,
  policy: { agree: 2, of: 3, cosign: false },
  ...over,
});
const ended = { what: 'key', id: idp.id, since: 0, reason: 'stolen' };

it.each([
  ['is one', {}, true],
  ['is trusted', { level: 'trusted' }, true],
  ['is about no tree', { artifact: null }, false],
  ['is revoked', { revoked: ended }, false],
  ['is about a build that failed', { level: 'failed' }, false],
  ['is about results in dispute', { level: 'disputed' }, false],
])('a verdict that %s is a hint, by gossip and from the list', async (_what, over, isHint) => {
  const told = { artifact: tree, level: 'agreed', ...over };
  bench.answers.jobs = () => ({ kind: 'jobs', jobs: [summary(told)] });
  bench.watch.start();
  await bench.waiting(1);
  const hint = { run, tree, level: told.level };
  expect(bench.verdicts).toEqual(isHint ? [hint] : []);
  bench.hear(topics.verdicts(project), { job: cidOf('job'), request: run, ...told });
  await new Promise((resolve) => setImmediate(resolve));
  expect(bench.verdicts).toEqual(isHint ? [hint, hint] : []);
  expect(bench.told).toEqual(['info connected: a controller of the project answers']);
});

it('the list has the reports of a test in the place of an artifact', async () => {
  bench.answers.jobs = () => ({
    kind: 'jobs',
    jobs: [summary({ artifact: null, reports: tree, level: 'agreed' })],
  });
  bench.watch.start();
  await bench.waiting(1);
  expect(bench.verdicts).toEqual([{ run, tree, level: 'agreed' }]);
});

describe('gossip that a watch hears', () => {
  const data = new Uint8Array();
  beforeEach(async () => {
    bench.watch.start();
    await bench.waiting(1);
  });

  it('is of controllers of the charter; before there is one, it is ignored', async () => {
    for (const topic of [topics.verdicts(project), topics.revocations(project)]) {
      const accepts = bench.heard.get(topic)?.[1];
      expect([accepts?.(controller.id, data), accepts?.(next.id, data)]).toEqual([true, false]);
    }
    const fresh = await Bench.open();
    fresh.answers.charter = unreachable;
    fresh.watch.start();
    expect(fresh.heard.get(topics.verdicts(project))?.[1](controller.id, data)).toBe('ignore');
    await fresh.waiting(1);
  });

  it('says what was revoked, once', async () => {
    const notice = { charters: [first], revocations: [mallory.raw] };
    bench.hear(topics.revocations(project), notice);
    await expect.poll(() => bench.revoked, { interval: 1 }).toBe(1);
    bench.hear(topics.revocations(project), notice);
    await bench.again();
    expect(bench.revoked).toBe(1);
  });

  it.each([
    ['verdict', topics.verdicts(project)],
    ['revocation', topics.revocations(project)],
  ])('is told of where it cannot be read: %s', async (kind, topic) => {
    bench.hear(topic, {});
    const ignored = expect.stringContaining(`warn ${kind}: a notice was ignored: `);
    await expect.poll(() => bench.told.slice(1), { interval: 1 }).toEqual([ignored]);
  });
});

it('a watch learns revocations from the controller, and goes on where it shows none', async () => {
  bench.answers.ask = () => ({ kind: 'revocations', charters: [first], revocations: [mallory.raw] });
  bench.watch.start();
  await bench.waiting(1);
  expect(bench.revoked).toBe(1);
  bench.answers.ask = unreachable;
  await bench.again();
  expect(bench.waits).toEqual([120_000, 120_000]);
});
