import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { allCheckers } from '../../../simulations/checkers/index.ts';
import { type Observation, type Truth, Violation } from '../../../simulations/observer.ts';
import type { ControllerEvent } from '../../../src/controller/machine/events.ts';
import type { Controller } from '../../../src/controller/machine/machine.ts';
import type { ControllerState } from '../../../src/controller/machine/state.ts';
import { openControllerJournal } from '../../../src/controller/node/controller-journal.ts';
import { joseVerifier } from '../../../src/identity/verifier.ts';
import { openJournal } from '../../../src/journal/index.ts';
import { openRevocationBook } from '../../../src/node/membership/revocation-file.ts';
import { openProjectFolder } from '../../../src/owner/project-folder.ts';
import {
  type Bundle,
  decodeBundle,
  openStatement,
  resultIdOf,
} from '../../../src/protocol/documents/index.ts';
import type { WorkerEvent } from '../../../src/worker/machine/events.ts';
import { Worker } from '../../../src/worker/machine/machine.ts';
import { workerRules } from '../../../src/worker/machine/state.ts';
import { type Ground, workers } from '../../e2e/support/ground.ts';

/**
 * Those of the simulator's checkers that can be told what they look at by journals and bundles: the others look at what is in no journal
 * (heartbeats, presence, clocks, lies), at what is in memory, or at faults of the simulator.
 */
const checkers = [
  ...(['acks', 'agreement', 'answers', 'cosigning', 'drains', 'ended keys', 'endings'] as const),
  ...(['evidence', 'fences', 'forks', 'leases', 'lending', 'limits', 'liveness', 'log'] as const),
  ...(['pipelines', 'rebuilt', 'revoked', 'sealed', 'verdicts', 'votes'] as const),
];

/** Gives checkers what happened; each stops at the first thing that it finds. */
export class Checked {
  readonly found: string[] = [];
  readonly #truth: Truth;
  #checkers = allCheckers(checkers);

  constructor(truth: Truth) {
    this.#truth = truth;
  }

  async observe(seen: Observation): Promise<void> {
    for (const checker of this.#checkers) {
      try {
        await checker.observe(seen, this.#truth);
      } catch (error) {
        if (!(error instanceof Violation)) throw error;
        this.found.push(`checker ${checker.invariant}: ${error.message}`);
        this.#checkers = this.#checkers.filter((one) => one !== checker);
      }
    }
  }
}

type ControllerMachine = Pick<Controller, 'handle' | 'state'>;

/** Gives checkers each event of a controller's journal with what comes of it. Returns the number of events. */
export async function replayInto(
  checked: Checked,
  machine: ControllerMachine,
  rows: Iterable<{ event: ControllerEvent; at: number; rules: number }>,
): Promise<number> {
  const { state } = machine;
  let events = 0;
  for (const { event, at, rules } of rows) {
    if (event.kind === 'started' && events > 0)
      await checked.observe({ kind: 'restarted', who: 'controller', before: '', after: '', state });
    events++;
    const { effects } = machine.handle(event, at, rules);
    await checked.observe({ kind: 'handled', event, effects, state });
    for (const effect of effects) {
      await checked.observe({ kind: 'sent', effect, state });
      if (effect.kind === 'cosign')
        await checked.observe({ kind: 'shown', run: effect.run, worker: effect.worker });
    }
  }
  return events;
}

/** The ground truth of a project in which everybody is honest and some clocks are wrong. */
export function truthOf(about: Pick<Truth, 'project' | 'controller' | 'personOf' | 'builtUnder'>): Truth {
  return {
    ...about,
    now: 0,
    keys: {
      signer: () => {
        throw new Error('the keys of real nodes are theirs');
      },
      verifier: joseVerifier,
    },
    isAttacker: () => false,
    workOf: () => undefined,
    machineOf: () => undefined,
    logOf: () => undefined,
    timesOf: () => undefined,
    isIdeal: false,
    clockIsOff: () => true,
    attackers: 0,
    trusted: 'there',
    second: false,
    stores: undefined,
    isQuiet: false,
    wanted: { untaken: [] },
    isShort: false,
    keptBy: () => Number.POSITIVE_INFINITY,
    stallMsMax: 0,
  };
}

interface Built {
  key: string;
  result: string | null;
}

/** Leaves of the log that the trusted worker holds, in order. */
export async function trustedLeaves(ground: Ground): Promise<string[]> {
  const text = await readFile(join(ground.home('tower'), `log-${ground.project}.txt`), 'utf8');
  // A line that begins with a tab is a sum; the last may be in the middle of being written.
  return text
    .split('\n')
    .slice(0, -1)
    .filter((line) => !line.startsWith('\t'));
}

/**
 * Replays the journals of a project whose parts have ended, and reads its bundles; what does not hold. `kept`: bundles as they were when their
 * runs became trusted, for those that were damaged since and that nobody asked for. `signedOver`: leaves that the trusted worker held when a copy of before was put back.
 */
export async function checkJournals(
  ground: Ground,
  { kept, signedOver }: { kept: string; signedOver: readonly string[][] },
): Promise<{ found: string[]; events: number }> {
  const folder = await openProjectFolder(ground.home('controller'));
  const { journal, machine } = openControllerJournal(folder);
  const built = new Map<string, Built>();
  const lent = await Promise.all(workers.map((name) => workerEvents(ground.home(name))));
  for (const { key, rows } of lent)
    for (const { event } of rows) {
      if (event.kind !== 'built') continue;
      const { outcome, files } = event.result;
      built.set(event.lease, { key, result: resultIdOf(outcome, files) });
    }
  const state: ControllerState = machine.state;
  const trusted = lent.at(-1)?.key;
  const truth = truthOf({
    project: ground.project,
    controller: folder.controller.id,
    personOf: (key) => (key === trusted ? 'owner' : (state.keys.get(key)?.operator ?? key)),
    builtUnder: (lease) => built.get(lease),
  });
  const checked = new Checked(truth);
  let events = 0;
  try {
    events = await replayInto(checked, machine, journal.replay());
  } finally {
    journal.close();
  }
  for (const { key, rows } of lent) {
    const worker = new Worker(key);
    for (const { event, at } of rows) {
      events++;
      const { effects } = worker.handle(event, at);
      await checked.observe({ kind: 'worker-handled', worker: key, event, effects });
    }
  }
  for (const { run, bundle } of await bundlesOf(ground, kept, state)) {
    const { payload } = await openStatement('verdict', bundle.verdict, joseVerifier);
    await checked.observe({ kind: 'published', run, bundle, verdict: payload });
  }
  for (const name of workers) {
    const { equivocations } = await openRevocationBook(ground.home(name), ground.project);
    for (const { proves } of equivocations)
      checked.found.push(`two stories of the log, ${proves.lines} of which carry lines of trusted workers`);
  }
  await checked.observe({ kind: 'ended', state, idle: [] });
  const leaves = state.log.leaves();
  for (const held of [...signedOver, await trustedLeaves(ground)]) {
    const at = held.findIndex((leaf, n) => leaves[n] !== leaf);
    if (at !== -1) checked.found.push(`leaf ${at}, which the trusted worker holds, is not in the log`);
  }
  return { found: checked.found, events };
}

async function workerEvents(home: string) {
  const name = (await readdir(home)).find((one) => /^worker-.*\.db$/.test(one)) ?? '';
  const file = join(home, name);
  const key = keyIn(file);
  const journal = openJournal<WorkerEvent>(file, { name: `worker ${key}`, rules: workerRules });
  try {
    return { key, rows: [...journal.replay()] };
  } finally {
    journal.close();
  }
}

function keyIn(file: string): string {
  const db = new DatabaseSync(file);
  try {
    const { value } = db.prepare("SELECT value FROM about WHERE key = 'machine'").get() ?? {};
    return String(value).replace('worker ', '');
  } finally {
    db.close();
  }
}

/** Of the controller. */
async function bundlesOf(
  ground: Ground,
  kept: string,
  { bundles }: Pick<ControllerState, 'bundles'>,
): Promise<{ run: string; bundle: Bundle }[]> {
  const dir = join(ground.home('controller'), '.quorate', 'bundles');
  const textOf = (folder: string, run: string) => readFile(join(folder, `${run}.json`), 'utf8');
  const stored = async (run: string) => {
    const text = await textOf(dir, run).catch(() => '');
    return createHash('sha256').update(text).digest('hex') === bundles.get(run) ? text : textOf(kept, run);
  };
  const runs = (await readdir(kept)).map((name) => name.replace('.json', ''));
  return Promise.all(runs.map(async (run) => ({ run, bundle: decodeBundle(await stored(run)) })));
}
