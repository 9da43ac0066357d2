import type { ControllerEvent } from '../controller/machine/events.ts';
import { Controller } from '../controller/machine/machine.ts';
import { LostBundles, type Spool } from '../controller/sessions/lost-bundles.ts';
import type { IdpEvent } from '../idp/machine/events.ts';
import { IdentityProvider } from '../idp/machine/machine.ts';
import { machineOf } from '../journal/copy.ts';
import { type Journal, openJournal, replayEach } from '../journal/index.ts';
import { nodeClock } from '../node/ports.ts';
import { Loop, type Machine } from '../protocol/sessions/loop.ts';
import type { WatchEvent } from '../watcher/machine/events.ts';
import { HookMachine, Ledger, ledgerEventSchema } from '../watcher/machine/hook-ledger.ts';
import { WatchMachine } from '../watcher/machine/machine.ts';

export interface ReplayedController {
  id: string;
  machine: Controller;
  /** Runs whose bundles are lost, and made again by a start. */
  lost: readonly string[];
}

/** Only which bundles are lost is asked. */
const nowhere: Spool = { write: () => true, read: async () => undefined, end() {} };

/** Replays a copy of a journal as a start does. `stored`: names of the bundles that a controller has. @throws {QuorateError} `JOURNAL_…` */
export function replayCopy(
  file: string,
  stored: ReadonlySet<string>,
): { events: number; controller?: ReplayedController } {
  const name = machineOf(file);
  const [kind = '', ...words] = name.split(' ');
  const key = words.at(-1) ?? kind;
  const open = <Event>(rules: number): Journal<Event> => openJournal<Event>(file, { name, rules });
  if (kind === 'controller') {
    const journal = open<ControllerEvent>(Controller.rules);
    // Which identity provider it began with, its first event says.
    const machine = new Controller(key, '');
    const evidence = new LostBundles(journal, machine, stored, nowhere);
    const events = closing(journal, () => replay(machine, evidence));
    return { events, controller: { id: key, machine, lost: evidence.runs } };
  }
  if (kind === 'identity') {
    const journal = open<IdpEvent>(IdentityProvider.rules);
    return { events: closing(journal, () => replay(new IdentityProvider(key), journal)) };
  }
  if (kind === 'watcher') {
    const machine = new WatchMachine();
    return counted(open<WatchEvent>(WatchMachine.rules), (event, at) => machine.handle(event, at));
  }
  const ledger = new Ledger();
  const take = (event: unknown, at: number) => ledger.apply(ledgerEventSchema.parse(event), at);
  return counted(open<unknown>(HookMachine.rules), take);
}

function counted<Event>(
  journal: Journal<Event>,
  take: (event: Event, at: number) => unknown,
): { events: number } {
  let events = 0;
  const each = (event: Event, at: number) => {
    events++;
    take(event, at);
  };
  closing(journal, () => replayEach(journal, each));
  return { events };
}

function replay<Event extends { kind: string }, Effect>(
  machine: Machine<Event, Effect>,
  journal: ConstructorParameters<typeof Loop<Event, Effect>>[0]['journal'],
): number {
  const loop = new Loop<Event, Effect>({
    machine,
    journal,
    tick: undefined,
    acceptClock: true,
    clock: nodeClock(new AbortController().signal),
    perform() {},
    failed() {},
  });
  try {
    return loop.replay();
  } finally {
    loop.close();
  }
}

function closing<T>(journal: { close(): void }, use: () => T): T {
  try {
    return use();
  } finally {
    journal.close();
  }
}
