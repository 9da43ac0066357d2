// Replays a journal in a process of its own, so that its memory is that of a controller.
import v8 from 'node:v8';
import vm from 'node:vm';
import type { ControllerEffect, ControllerEvent } from '../src/controller/machine/events.ts';
import { Controller } from '../src/controller/machine/machine.ts';
import { openJournal } from '../src/journal/index.ts';
import { Loop } from '../src/protocol/sessions/loop.ts';
import { History } from '../test/support/history.ts';
import { answer } from './run.ts';

export interface HistoryFigures {
  events: number;
  restartSeconds: number;
  /** Of processor time. */
  restartCpuSeconds: number;
  /** Resident. */
  memoryMb: number;
  heapMb: number;
  receiptMs: number;
  nextDeadlineUs: number;
}

const [file = ''] = process.argv.slice(2);
v8.setFlagsFromString('--expose_gc');
const collect = vm.runInNewContext('gc') as () => void;

async function measure(): Promise<HistoryFigures> {
  const began = performance.now();
  const cpuBegan = process.cpuUsage();
  const history = new History();
  const { machine } = history;
  const journal = openJournal<ControllerEvent>(file, {
    name: 'controller of the bench',
    rules: Controller.rules,
  });
  let last = 0;
  const loop = new Loop<ControllerEvent, ControllerEffect>({
    machine: {
      nextDeadline: () => machine.nextDeadline(),
      handle(event, now) {
        last = now;
        return machine.handle(event, now);
      },
    },
    journal,
    clock: { now: () => last, monotonic: () => 0, after: () => () => {}, endOfTurn: queueMicrotask },
    perform: () => {},
    tick: { kind: 'tick' },
    failed: (error) => {
      throw error;
    },
  });
  const events = loop.replay();
  const restartSeconds = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(cpuBegan);
  const restartCpuSeconds = (user + system) / 1e6;
  collect();
  const { rss, heapUsed } = process.memoryUsage();
  const [memoryMb, heapMb] = [rss / 1e6, heapUsed / 1e6];
  history.now = last;
  history.begin(machine.state.index.size);
  await history.run(50);
  const asked = performance.now();
  for (let n = 0; n < 1_000; n++) machine.nextDeadline();
  const nextDeadlineUs = performance.now() - asked;
  journal.close();
  const receiptMs = history.median('receipt');
  return { events, restartSeconds, restartCpuSeconds, memoryMb, heapMb, receiptMs, nextDeadlineUs };
}

answer({ measure });
