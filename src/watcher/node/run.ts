import type { Forge } from '../../forge/index.ts';
import { openJournal } from '../../journal/index.ts';
import type { Client } from '../../member/client.ts';
import { machineTime, nodeClock } from '../../node/ports.ts';
import { Loop } from '../../protocol/sessions/loop.ts';
import type { WatchEffect, WatchEvent } from '../machine/events.ts';
import { WatchMachine } from '../machine/machine.ts';
import { CompactedJournal } from '../sessions/compacted-journal.ts';
import type { WatchPorts } from '../sessions/ports.ts';
import { Watcher } from '../sessions/watcher.ts';
import { publishOrder } from './publish.ts';
import type { WatchedRepository } from './repository.ts';

type Shared = 'settings' | 'pollMs' | 'connection' | 'verifier' | 'onEvent' | 'onFailure';

export interface RunOptions extends Pick<WatchPorts<Client>, Shared> {
  project: string;
  key: string;
  journal: string;
  home: string;
  env: NodeJS.ProcessEnv;
  repository: WatchedRepository;
  forge?: Forge | undefined;
  signal: AbortSignal;
  /** Replaced in tests. */
  clockOf?: typeof nodeClock;
}

export interface RunningWatcher {
  readonly machine: WatchMachine;
  readonly watcher: Watcher<Client>;
  /** Aborted once it ends, with the failure where that is why. */
  readonly signal: AbortSignal;
  dispatch(event: WatchEvent): Promise<void>;
  close(): Promise<void>;
}

/** Runs the machine and the sessions of a watcher on its journal. Errors: `JOURNAL_…`, `HOME_NEWER`. */
export function runWatcher(options: RunOptions): RunningWatcher {
  const { project, key, home, env, repository, forge, clockOf = nodeClock } = options;
  const ending = new AbortController();
  const signal = AbortSignal.any([options.signal, ending.signal]);
  const time = machineTime();
  const clock = clockOf(signal, time);
  const machine = new WatchMachine();
  const file = openJournal<WatchEvent>(options.journal, {
    name: `watcher ${project} ${key}`,
    rules: WatchMachine.rules,
  });
  const journal = new CompactedJournal(file, machine);
  const failed = (error: unknown) => {
    if (signal.aborted) return;
    loop.close();
    ending.abort(error);
    options.onFailure(error);
  };
  const loop = new Loop<WatchEvent, WatchEffect>({
    ...{ machine, journal, clock, time, failed, tick: { kind: 'tick' } },
    // Times of earlier lives order what was published, and end nothing.
    acceptClock: true,
    perform: (effect) => watcher.perform(effect),
  });
  try {
    loop.replay();
  } catch (error) {
    file.close();
    throw error;
  }
  const watcher: Watcher<Client> = new Watcher<Client>({
    ...{ clock, machine, settings: options.settings, pollMs: options.pollMs },
    ...{ connection: options.connection, verifier: options.verifier, onEvent: options.onEvent },
    onFailure: failed,
    dispatch: (event) => loop.dispatch(event),
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
  return {
    ...{ machine, watcher, signal },
    dispatch: (event) => loop.dispatch(event),
    async close() {
      ending.abort(new DOMException('the watcher ends', 'AbortError'));
      loop.close();
      await watcher.close();
      file.close();
    },
  };
}
