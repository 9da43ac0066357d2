import { join } from 'node:path';
import { Controller } from '../src/controller/machine/machine.ts';
import { openJournal } from '../src/journal/index.ts';
import { History } from '../test/support/history.ts';
import type { HistoryFigures } from './history-end.ts';
import type { Bench, Suite } from './run.ts';

const jobs = 10_000;
/** Finished jobs in the reference journal: a tenth of `jobs`. */
const fewer = jobs / 10;

/** A journal of so many finished jobs, four builds each. */
async function journalOf(file: string, count: number): Promise<void> {
  const journal = openJournal(file, { name: 'controller of the bench', rules: Controller.rules });
  const history = new History((event, at, record) => journal.append(event, at, record));
  await history.start();
  await history.run(count);
  journal.close();
}

async function replayed(bench: Bench, dir: string, count: number): Promise<HistoryFigures> {
  const file = join(dir, `${count}.db`);
  await journalOf(file, count);
  const end = bench.end(new URL('history-end.ts', import.meta.url), [file]);
  return end.ask<HistoryFigures>('measure');
}

export const suite: Suite = {
  what: `a controller with ${jobs} finished jobs: its restart, and what an event costs`,
  secondsMax: 900,
  async run(bench) {
    const dir = await bench.folder();
    const few = await replayed(bench, dir, fewer);
    const many = await replayed(bench, dir, jobs);
    bench.figure('receipt', many.receiptMs, 'ms', {
      beside: [`after ${fewer} jobs`, few.receiptMs],
      under: 2,
    });
    bench.figure('receipt, alone', many.receiptMs, 'ms', { under: 1 });
    bench.figure('nextDeadline', many.nextDeadlineUs, 'µs', { under: 50 });
    bench.figure('restart', many.restartSeconds, 's', { under: 10, note: `${many.events} events` });
    bench.figure('processor time of that', many.restartCpuSeconds, 's');
    bench.figure('heap of a finished job', (1000 * (many.heapMb - few.heapMb)) / (jobs - fewer), 'KB');
    bench.figure('memory after it', many.memoryMb, 'MB', {
      under: 400,
      note: 'resident, after a collection',
    });
  },
};
