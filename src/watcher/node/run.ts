import type { Forge } from '../../forge/index.ts';
import { openJournal } from '../../journal/index.ts';
import type { Client } from '../../member/client.ts';
import type { Kernel } from '../../node/kernel/open-node.ts';
import type { EventLog, JournalEntry, JournalRow } from '../../protocol/sessions/loop.ts';
import type { WatchEffect, WatchEvent } from '../machine/events.ts';
import { WatchMachine } from '../machine/machine.ts';
import { keptState } from '../machine/state.ts';
import type { WatchPorts } from '../sessions/ports.ts';
import { Watcher } from '../sessions/watcher.ts';
import { watchNodeLimits } from './limits.ts';
import { publishOrder } from './publish.ts';
import type { WatchedRepository } from './repository.ts';

type Shared = 'settings' | 'pollMs' | 'connection' | 'verifier' | 'onEvent';

export interface RunOptions extends Pick<WatchPorts<Client>, Shared> {
  project: string;
  key: string;
  journal: string;
  home: string;
  env: NodeJS.ProcessEnv;
  repository: WatchedRepository;
  forge?: Forge | undefined;
}

export type RunningWatcher = Awaited<ReturnType<typeof runWatcher>>;

/** Runs the machine and the sessions of a watcher on its journal. @throws `JOURNAL_…`, `HOME_NEWER` */
export async function runWatcher(kernel: Kernel, options: RunOptions) {
  const { project, key, home, env, repository, forge } = options;
  const { clock, closing: signal } = kernel;
  const machine = new WatchMachine();
  const opening = openJournal<WatchEvent>(options.journal, {
    name: `watcher ${project} ${key}`,
    rules: WatchMachine.rules,
  });
  const journal = new CompactedJournal(await kernel.use(opening), machine);
  const loop = kernel.openLoop<WatchEvent, WatchEffect>({
    machine,
    journal,
    tick: { kind: 'tick' },
    // Times of earlier lives order what was published, and end nothing.
    acceptClock: true,
    perform: (effect) => watcher.perform(effect),
  });
  loop.replay();
  const dispatch = (event: WatchEvent) => loop.dispatch(event);
  const watcher: Watcher<Client> = new Watcher<Client>({
    clock,
    machine,
    settings: options.settings,
    pollMs: options.pollMs,
    connection: options.connection,
    verifier: options.verifier,
    onEvent: options.onEvent,
    onFailure(error) {
      if (!signal.aborted) kernel.fail(error);
    },
    async dispatch(event) {
      await dispatch(event);
      // An event that is not on disk was not taken.
      if (kernel.trouble !== undefined) kernel.check();
    },
    compact: () => journal.compact(),
    refs: (patterns) => repository.refs(patterns, signal),
    publish: (client, order) => publishOrder(client, order, { repository, home, env, signal }),
    forge: forge && {
      pullRefs: forge.pullRefs,
      setStatus: (status) => forge.setStatus(status, signal),
      openPulls: (from) => forge.openPulls(signal, from),
      isOpen: (pull) => forge.isOpen(pull, signal),
    },
  });
  kernel.onClose(() => watcher.close());
  return { machine, watcher, dispatch };
}

interface ReplaceableLog extends EventLog<WatchEvent> {
  /** Puts one event in the place of all that there are. On disk when it returns. */
  replaceAll(event: WatchEvent, at: number): void;
}

/** The journal of a watcher: beyond `journalEventsMax` one event that holds the state takes the place of all. */
class CompactedJournal implements EventLog<WatchEvent> {
  readonly #journal: ReplaceableLog;
  readonly #machine: WatchMachine;
  #events = 0;
  #at = 0;

  constructor(journal: ReplaceableLog, machine: WatchMachine) {
    [this.#journal, this.#machine] = [journal, machine];
  }

  get place(): string {
    return this.#journal.place ?? 'the journal';
  }

  appendAll(entries: readonly JournalEntry<WatchEvent>[]): void {
    this.#journal.appendAll(entries);
    this.#events += entries.length;
    this.#at = entries.at(-1)?.at ?? this.#at;
  }

  sync(): void {
    this.#journal.sync();
  }

  *replay(): Iterable<JournalRow<WatchEvent>> {
    for (const row of this.#journal.replay()) {
      [this.#events, this.#at] = [this.#events + 1, row.at];
      yield row;
    }
  }

  /** To be called while an effect is performed: the journal holds all that the machine has handled. */
  compact(): void {
    if (this.#events <= watchNodeLimits.journalEventsMax) return;
    const event: WatchEvent = { kind: 'state', state: keptState(this.#machine.state) };
    this.#journal.replaceAll(event, this.#at);
    // The state of this life is the one that a replay comes to.
    this.#machine.handle(event, this.#at);
    this.#events = 1;
  }
}
