import { join } from 'node:path';
import { openForge, readSecret } from '../../forge/index.ts';
import type { Client } from '../../member/client.ts';
import { openNode } from '../../node/kernel/open-node.ts';
import { openLeafFile } from '../../node/leaf-file.ts';
import { type Home, watchedLog } from '../../node/membership/home.ts';
import { openRevocationBook } from '../../node/membership/revocation-file.ts';
import { joseDocuments, machineTime } from '../../node/ports.ts';
import { steadyTime } from '../../node/steady-time.ts';
import { QuorateError } from '../../protocol/base/errors.ts';
import { LogCopy } from '../../protocol/sessions/log-copy.ts';
import { RunVerifier } from '../../protocol/sessions/run-verifier.ts';
import { Connection } from '../sessions/connection.ts';
import type { WatchNotice } from '../sessions/ports.ts';
import { serveWatchControl } from './control.ts';
import { WatchedRepository } from './repository.ts';
import { runWatcher } from './run.ts';
import type { WatchFile } from './watch-file.ts';

export interface OpenOptions {
  file: WatchFile;
  home: Home;
  /** Opens a client of a publisher, until this signal; called again and again. */
  openClient(signal: AbortSignal): Promise<Client>;
  env: NodeJS.ProcessEnv;
  onEvent(notice: WatchNotice): void;
  onFailure(error: unknown): void;
  signal: AbortSignal;
}

export type OpenWatcher = Awaited<ReturnType<typeof openWatcher>>;

/** Starts a publisher's watcher on the journal in its home. @throws FORGE_TOKEN_UNREADABLE, `JOURNAL_…`, `CONTROL_…`, `SOURCE_…`, as `openClient` */
export function openWatcher(options: OpenOptions) {
  const { file, home, openClient, env, onEvent, onFailure, signal } = options;
  const node = { dir: home.dir, time: machineTime(), signal, onEvent() {}, onFailure };
  return openNode(node, async (kernel) => {
    const forge = file.forge && openForge({ ...file.forge, token: await readSecret(file.forge.tokenFile) });
    if (forge !== undefined) kernel.onClose(() => forge.close());
    // Not those of the caller: what a client is about when that one is aborted would be taken for a failure until the node closes.
    const clients = () => openClient(kernel.closing);
    const connection = await kernel.use(new Connection(clients, { monotonic: steadyTime() }));
    const [project, first] = await connection.use(
      async (client) => [client.project, client.charter] as const,
    );
    const { vcs } = first;
    const key = await home.key();
    const { settings, pollMs, confined, checkpointAgeSeconds: ageSecondsMax } = file;
    const stateDir = join(home.dir, 'sandbox');
    const repository = new WatchedRepository({ url: settings.url, vcs, stateDir, confined });
    const log = new LogCopy(openLeafFile(watchedLog(home.dir, project)));
    // A damaged one ends the start, not a look at some later time.
    await log.size;
    const verifier = new RunVerifier({
      project,
      documents: joseDocuments,
      ageSecondsMax,
      log,
      book: () => openRevocationBook(home.dir, project),
      now: () => Date.now(),
    });
    const running = await runWatcher(kernel, {
      settings,
      pollMs,
      project,
      key: key.id,
      journal: join(home.dir, `watch-${project}.db`),
      home: home.dir,
      env,
      repository,
      connection,
      verifier,
      forge,
      onEvent,
    });
    kernel.onClose(await serveWatchControl(home.dir, project, running));
    await running.watcher.start();
    const { health } = running.watcher;
    return {
      project,
      /** As the client had it last. */
      charter: () => connection.charter ?? first,
      running,
      health,
    };
  });
}

/** @throws `WATCH_ACCOUNT`. */
export function checkPublisher(home: string, role: string): void {
  if (role === 'publisher') return;
  throw new QuorateError(
    'WATCH_ACCOUNT',
    `${home} is a member with the role ${role}, which may not publish`,
    { hint: 'Run it with the home of a publisher: --home <folder>.' },
  );
}
