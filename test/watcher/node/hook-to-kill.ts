import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseRefPattern } from '../../../src/watcher/machine/hook-refs.ts';
import { TrustedHook } from '../../../src/watcher/machine/trusted-hook.ts';
import { runCommand } from '../../../src/watcher/node/hook-command.ts';
import { openHookFolder } from '../../../src/watcher/node/hook-folder.ts';
import { followTrusted } from '../../../src/watcher/sessions/hook.ts';
import { facts, listed } from '../hook-support.ts';

/**
 * A hook in a process of its own, for one trusted run: `home`, then `between` to kill itself by SIGKILL when the journal is written and the
 * command not started, or `run`. The command appends a line to `home/ran`, and `home/told` is what the hook tells.
 */
const [home = '', how = ''] = process.argv.slice(2);
const stop = new AbortController();
const folder = await openHookFolder(home, 'project', 'trusted', stop.signal);
const hook = new TrustedHook({ refs: [parseRefPattern('main')], jobs: [], uncosigned: false }, folder.ledger);
let looks = 0;
await followTrusted(
  {
    project: 'project',
    folder,
    clock: folder.clock,
    once: false,
    pollMs: 1,
    async list() {
      if (++looks > 3) stop.abort();
      return { jobs: [listed(1)], equivocations: [] };
    },
    async execute(env) {
      if (how === 'between') process.kill(process.pid, 'SIGKILL');
      const words = ['sh', '-c', `echo "$QUORATE_REQUEST" >> "${join(home, 'ran')}"`];
      const signal = new AbortController().signal;
      return runCommand({
        words,
        cwd: home,
        env: { ...process.env, ...env },
        stdout: 2,
        timeoutMs: 60_000,
        signal,
      });
    },
    tell: (told) => appendFileSync(join(home, 'told'), `${JSON.stringify(told)}\n`),
  },
  hook,
  async (_run, dir, accept) => {
    accept(facts(1));
    return { facts: facts(1), artifact: join(dir, 'artifact'), bundle: join(dir, 'bundle.json') };
  },
);
await folder.close();
