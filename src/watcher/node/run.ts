import type { Forge } from '../../forge/index.ts';
import { openJournal } from '../../journal/index.ts';
import type { Client } from '../../member/client.ts';
import type { Kernel } from '../../node/kernel/open-node.ts';
import type { WatchEffect, WatchEvent } from '../machine/events.ts';
import { WatchMachine } from '../machine/machine.ts';
import { CompactedJournal } from '../sessions/compacted-journal.ts';
import type { WatchPorts } from '../sessions/ports.ts';
import { Watcher } from '../sessions/watcher.ts';
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
