import { describe, expect, it } from 'vitest';
import { standIn } from '../../../simulations/keys.ts';
import { Reader } from '../../../simulations/reader.ts';
import { HeldLog } from '../../../src/controller/sessions/held-log.ts';
import { limits } from '../../../src/protocol/base/limits.ts';
import { leaves as leafOf, type Offer, signMessage } from '../../../src/protocol/documents/index.ts';
import { RevocationBook } from '../../../src/protocol/sessions/revocation-book.ts';
import {
  type HeldOfLog,
  knownIn,
  revocationServer,
} from '../../../src/protocol/sessions/revocation-exchange.ts';
import { MerkleTree } from '../../../src/protocol/transparency/index.ts';
import { pair } from '../../protocol/sessions/channel-pair.ts';
import { codeOf } from '../../support/codes.ts';
import { type Bench, leasedRound } from '../machine/bench.ts';

/** One member, and what a controller whose journal is that of the bench learns from it. */
class Asking {
  readonly bench: Bench;
  readonly log: HeldLog;
  readonly asked: string[] = [];
  note: string | undefined;
  book: RevocationBook | undefined;
  /** Leaves by member. */
  readonly kept = new Map<string, readonly string[]>();
  atStart: Partial<HeldOfLog> | undefined = {};
  lease = '';

  constructor(bench: Bench) {
    this.bench = bench;
    const { project, controller } = bench.paper;
    this.log = new HeldLog({
      project,
      machine: bench.controller,
      signing: { signer: controller, documents: new Reader(standIn.verifier), nonce: () => '' },
      dial: async ({ id }) => {
        this.asked.push(id ?? '');
        const [near, far] = pair();
        const book = this.book ?? (await RevocationBook.open(project, standIn.verifier));
        const charter = bench.controller.state.charter?.raw ?? '';
        const holds: HeldOfLog = {
          isController: () => true,
          held: () => ({ charter, leases: [] }),
          leaves: async (from) => (this.kept.get(id ?? '') ?? []).slice(from),
          ...this.atStart,
        };
        const atStart = this.atStart === undefined ? {} : { atStart: holds };
        void revocationServer({ ...knownIn(book), checkpoint: () => this.note, ...atStart }).session(far);
        return near;
      },
    });
  }

  get tree(): MerkleTree {
    return this.bench.controller.state.log;
  }

  /** The member has these offers, each with a lease of this controller's. */
  async holds(...offers: Partial<Offer>[]): Promise<this> {
    const { bench } = this;
    const signed = await Promise.all(
      offers.map((over) => signMessage('offer', { ...bench.offer, ...over }, bench.paper.controller)),
    );
    const { lease } = this;
    this.atStart = {
      held: () => ({
        charter: bench.controller.state.charter?.raw ?? '',
        leases: signed.map(({ raw }) => ({ lease, offer: raw })),
      }),
    };
    await this.log.ask(bench.id('ada'), false);
    return this;
  }
}

async function asking(): Promise<Asking> {
  const { bench, leases } = await leasedRound();
  const asking = new Asking(bench);
  asking.lease = leases.get('ada')?.raw ?? '';
  return asking;
}

describe('a checkpoint that a member shows', () => {
  it('is of the log, longer than it, or of another one', async () => {
    const { log, tree } = await asking();
    const { size } = tree;
    const [one, two] = ['1'.repeat(64), '2'.repeat(64)];
    const seen = (at: number, root: string) => {
      log.see({ size: at, root });
      return [log.facts, log.isAhead, log.size, log.contradiction?.code];
    };
    expect(seen(size, tree.root())).toEqual([0, false, size, undefined]);
    expect(seen(size - 1, tree.root(size - 1))).toEqual([0, false, size, undefined]);
    expect(seen(size + 1, one)).toEqual([1, true, size + 1, undefined]);
    expect(seen(size + 1, one)).toEqual([1, true, size + 1, undefined]);
    log.throwContradiction();
    expect(seen(size + 1, two)).toEqual([1, true, size + 1, 'LOG_CONTRADICTED']);
    expect(() => log.throwContradiction()).toThrow(`another log of ${size + 1} leaves`);
    // The first contradiction is the one that is told.
    expect(seen(size, one)).toEqual([1, true, size + 1, 'LOG_CONTRADICTED']);
    expect(log.contradiction?.message).toContain(`another log of ${size + 1} leaves`);
    const other = (await asking()).log;
    other.see({ size, root: one });
    expect(other.contradiction?.message).toContain(`another log of ${size} leaves`);
  });

  it('may be absent, or none at all', async () => {
    const desk = await asking();
    await desk.log.askCheckpoint('ada');
    desk.note = 'no checkpoint';
    await desk.log.askCheckpoint('ada');
    expect([desk.log.facts, desk.log.size]).toEqual([0, desk.tree.size]);
  });
});

describe('a member that is asked', () => {
  it('may be of a version that knows no question for leases; another failure is one', async () => {
    const desk = await asking();
    desk.atStart = undefined;
    expect(await codeOf(desk.log.ask('ada', false))).toBe('none');
    expect(desk.asked).toHaveLength(2);
    desk.atStart = { held: () => ({ charter: 'no charter', leases: [] }) };
    expect(await codeOf(desk.log.ask('ada', false))).not.toBe('none');
  });

  it('tells of a newer charter, which is one fact, and of an older one, which is none in force', async () => {
    const { log, bench } = await asking();
    const own = bench.controller.state.charter;
    expect(log.charter).toBe(own);
    const epoch = own?.payload.epoch ?? 0;
    const [same, newer] = await Promise.all(
      [epoch, epoch + 1].map((one) => bench.paper.charter({ epoch: one })),
    );
    if (same === undefined || newer === undefined) throw new Error('two were signed');
    log.addCharter(same);
    expect(log.charter).toBe(own);
    log.addCharter(newer);
    log.addCharter(newer);
    expect([log.charter, log.facts]).toEqual([newer, 2]);
  });

  it('shows revocations: those that the log lacks, and those of withheld leaves', async () => {
    const desk = await asking();
    const { bench, log } = desk;
    const { paper, controller } = bench;
    const reply = await bench.revoke({ kind: 'operator', id: 'cy' });
    expect(reply).toMatchObject({ kind: 'revoked' });
    const made = await Promise.all(
      ['y', 'z'].map((id) => paper.revocation({ kind: 'operator', id }, 0, bench.now)),
    );
    const [lacking, withheld] = made.map(({ id }) => id);
    const logged = controller.state.revocations.map(({ revocation }) => revocation.raw);
    expect(logged).toHaveLength(1);
    expect([log.withheld, log.unlogged]).toEqual([undefined, []]);
    controller.state.withheld.set(withheld ?? '', 0);
    desk.book = await RevocationBook.open(paper.project, standIn.verifier);
    const charters = [controller.state.charter?.raw ?? ''];
    await desk.book.learn({ charters, revocations: [...logged, ...made.map(({ raw }) => raw)] });
    await log.askDocuments('ada');
    expect(log.unlogged.map(({ id }) => id)).toEqual([lacking]);
    const { revocations = [], ...event } = log.withheld ?? {};
    expect(event).toEqual({ kind: 'recovered', from: desk.tree.size, leaves: [], charters: [], epoch: 0 });
    expect(revocations.map(({ revocation }) => revocation.id)).toEqual([withheld]);
    // With the leaf of one that came back it is given its document.
    const leaf = leafOf.revocation(lacking ?? '');
    expect(log.event([leaf])?.revocations.map(({ revocation }) => revocation.id)).toEqual([lacking]);
    expect(log.event([leafOf.lost(9)])?.revocations).toEqual([]);
    expect(log.event([])).toBeUndefined();
  });

  it('that shows more of one key than it may sign is believed nothing', async () => {
    const desk = await asking();
    const { paper, now, controller } = desk.bench;
    const made = await Promise.all(
      Array.from({ length: limits.revocationsMax + 1 }, (_, n) =>
        paper.revocation({ kind: 'operator', id: `o${n}` }, 0, now),
      ),
    );
    const charters = [controller.state.charter?.raw ?? ''];
    const all = made.map(({ raw }) => raw);
    const pages = [all.slice(0, -1), all.slice(-1)].map((revocations) => ({ charters, revocations }));
    const show = (end: string | undefined) => {
      desk.book = {
        page: (after?: string) => (after === undefined ? { ...pages[0], next: end } : pages[1]),
        evidence: () => [],
      } as unknown as RevocationBook;
    };
    show(made[0]?.id);
    expect(await codeOf(desk.log.askDocuments('ada'))).toBe('WIRE_INVALID');
    show(undefined);
    expect(await codeOf(desk.log.askDocuments('ada'))).toBe('none');
  });
});

describe('an offer of this controller that a member shows', () => {
  it('is in the journal', async () => {
    const desk = await asking();
    const { log } = await desk.holds({});
    expect([log.contradiction, log.isAhead, log.facts]).toEqual([undefined, false, 1]);
    expect(await log.missing([])).toEqual([]);
    expect(log.event([])).toBeUndefined();
  });

  it('has another leaf there, the last one too', async () => {
    const desk = await asking();
    const { log } = await desk.holds({ index: desk.tree.size - 1, round: 2 });
    expect([log.contradiction?.code, log.isAhead]).toEqual(['LOG_CONTRADICTED', false]);
  });

  it('is the next leaf, or one further on', async () => {
    for (const further of [0, 2]) {
      const desk = await asking();
      const { size } = desk.tree;
      const { log } = await desk.holds({ index: size + further });
      expect([log.contradiction, log.isAhead, log.facts, log.size]).toEqual([undefined, true, 2, size]);
      const missing = (await log.missing([])) ?? [];
      const filled = Array.from({ length: further }, (_, n) => leafOf.lost(size + n));
      expect(missing.slice(0, -1)).toEqual(filled);
      expect(missing.at(-1)).toMatch(/^offer /);
      expect(log.event(missing)).toMatchObject({ kind: 'recovered', from: size, leaves: missing });
    }
  });

  it('is one of two for the same place', async () => {
    const desk = await asking();
    const index = desk.tree.size;
    const { log } = await desk.holds({ index }, { index }, { index: index + 1 });
    expect([log.contradiction, log.facts]).toEqual([undefined, 3]);
    await desk.holds({ index, round: 2 });
    expect([log.contradiction?.code, log.facts]).toEqual(['LOG_CONTRADICTED', 3]);
  });

  it('tells the epoch of its lease, which only a later one is news of', async () => {
    const desk = await asking();
    const { state } = desk.bench.controller;
    const { log } = await desk.holds({});
    expect(log.event([])).toBeUndefined();
    state.epoch--;
    expect(log.event([])).toMatchObject({ leaves: [], epoch: state.epoch + 1 });
  });
});

describe('leaves that the journal lacks', () => {
  it('come from the first trusted worker that has all of them', async () => {
    const desk = await asking();
    const { log, tree, kept } = desk;
    const longer = new MerkleTree([...tree.leaves(), 'one', 'two', 'three']);
    log.see({ size: longer.size, root: longer.root() });
    log.see({ size: longer.size - 1, root: longer.root(longer.size - 1) });
    expect(await log.missing([])).toBeUndefined();
    kept.set('short', longer.leaves().slice(0, -1));
    expect(await log.missing(['short'])).toBeUndefined();
    kept.set('whole', [...longer.leaves(), 'and more']);
    desk.asked.length = 0;
    expect(await log.missing(['none', 'short', 'whole', 'last'])).toEqual(['one', 'two', 'three']);
    expect(desk.asked).toEqual(['none', 'short', 'whole']);
    // Of a log that does not go on from the journal's they are no others.
    const forked = new MerkleTree(longer.leaves().map((leaf, n) => (n === 0 ? 'other' : leaf)));
    const { log: other, kept: held } = await asking();
    other.see({ size: forked.size, root: forked.root() });
    held.set('liar', [...longer.leaves().slice(0, -1), 'made up']);
    expect(await other.missing(['liar'])).toBeUndefined();
    held.set('shorter', forked.leaves().slice(0, -1));
    expect(await other.missing(['shorter'])).toBeUndefined();
    held.set('other', forked.leaves());
    expect(await codeOf(other.missing(['other']))).toBe('LOG_CONTRADICTED');
  });
});
