import type { ControllerEvent } from '../../src/controller/machine/events.ts';
import { Controller } from '../../src/controller/machine/machine.ts';
import type { EventLog } from '../../src/protocol/sessions/loop.ts';
import { Bench, built, deliverAll, failed, other, timings } from '../controller/machine/bench.ts';

export interface Row {
  event: ControllerEvent;
  at: number;
  rules: number;
  record: string | undefined;
}

/** A journal of a controller, as a release wrote it, with what became of it then. */
export interface GoldenJournal {
  controller: string;
  idp: string;
  rows: Row[];
  root: string;
  runs: { phase: string; receipts: number; level: string | null }[];
}

/** Journals that only look at what they are given. */
export const readOnly = (rows: readonly Row[]): EventLog<ControllerEvent> => ({
  appendAll: () => {},
  sync: () => {},
  replay: () => rows,
});

export const goldenState = ({ state }: Controller): Pick<GoldenJournal, 'root' | 'runs'> => ({
  root: state.log.root(),
  runs: [...state.index.latest()].reverse().map(({ phase, receipts }) => ({
    phase: phase.kind,
    receipts: receipts.length,
    level: 'published' in phase && phase.published !== null ? phase.published.verdict.level : null,
  })),
});

/**
 * A life of a controller with each kind of end a run can have, and a restart: trusted, agreed without a co-signature,
 * contradicted and disputed, failed, cancelled, refused by one trusted worker and signed by another, still building.
 */
export async function writeGoldenJournal(): Promise<GoldenJournal> {
  const bench = new Bench();
  await bench.start();
  await bench.members('trusted', 'ada', 'bob', 'cy', 'dan', 'eve');
  const operators = ['ada', 'bob', 'cy'];
  const round = async (name: string, over: Parameters<Bench['submit']>[0] = {}) => {
    bench.present('trusted', ...operators);
    const run = await bench.submit({ name, ...over });
    const leases = await bench.lease(...operators);
    return { run, leases, trusted: (await bench.lease('trusted')).get('trusted') };
  };

  const first = await round('trusted');
  await deliverAll(bench, first.leases, []);
  bench.pinned(first.run, false);
  bench.drive(timings.pinRetryMs);
  bench.pinned(first.run);
  await bench.deliver('trusted', first.trusted);
  bench.cosign(first.run);

  const second = await bench.submit({ name: 'agreed', policy: { cosign: 'none' } });
  const leases = await bench.lease('ada', 'bob');
  bench.beat(leases);
  bench.drive(timings.detachGraceMs);
  await deliverAll(bench, leases, []);
  bench.drive(timings.slotFillMs);
  bench.pinned(second);

  const third = await round('contradicted');
  await deliverAll(bench, third.leases, []);
  bench.pinned(third.run);
  await bench.deliver('trusted', third.trusted, other);
  await bench.restart();
  bench.drive(timings.windowMs + timings.slotFillMs);

  const fourth = await round('failed');
  await deliverAll(bench, fourth.leases, [failed, failed, built]);
  await bench.deliver('trusted', fourth.trusted, failed);
  bench.cosign(fourth.run);

  const fifth = await round('cancelled');
  const by = bench.id('publisher');
  bench.send({ kind: 'cancel', token: bench.token('cancel'), which: fifth.run, by, reason: 'not needed' });

  const trusted = [bench.id('trusted'), bench.id('second')];
  bench.send({ kind: 'charter', charter: await bench.paper.charter({ epoch: 2, trusted }) });
  await bench.enrol('second', { role: 'trusted-worker', operator: 'second' });
  bench.present('second');
  const sixth = await round('refused');
  await deliverAll(bench, sixth.leases, []);
  bench.pinned(sixth.run);
  await bench.deliver('trusted', sixth.trusted);
  const refusal = { run: sixth.run, worker: bench.id('trusted'), code: 'COSIGN_EVIDENCE', message: 'no' };
  bench.send({ kind: 'cosign-refused', ...refusal });
  bench.drive(1);
  await bench.deliver('second', (await bench.lease('second')).get('second'));
  bench.cosign(sixth.run, 'second');

  await round('building');

  const { controller, idp } = bench.paper;
  const machine = new Controller(controller.id, idp.id);
  const rows = bench.journal.map(({ event, now }): Row => {
    const { record } = machine.handle(event, now);
    return { event, at: now, rules: Controller.rules, record };
  });
  return { controller: controller.id, idp: idp.id, rows, ...goldenState(machine) };
}

/** One row a line. */
export function encodeGolden({ rows, ...rest }: GoldenJournal): string {
  const lines = rows.map((row) => JSON.stringify(row)).join(',\n');
  return `${JSON.stringify(rest).slice(0, -1)},"rows":[\n${lines}\n]}\n`;
}
