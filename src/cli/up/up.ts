import { existsSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import { Option } from 'commander';
import type { Tier } from '../../../sandbox/index.ts';
import { serveFeed } from '../../controller/commands/controller.ts';
import { rememberTiers, tierSays } from '../../execution/tier-consent.ts';
import {
  jobFileText,
  prepareRepository,
  sayMissingTools,
  sayUnguessed,
  unguessedIn,
} from '../../owner/commands/init.ts';
import { repositoryAt } from '../../owner/own-folder.ts';
import { checkOwnPlayed, playedOf } from '../../owner/played.ts';
import { findProject } from '../../owner/project.ts';
import { codeOf, QuorateError } from '../../protocol/base/errors.ts';
import { isLogged } from '../../protocol/base/log-lines.ts';
import { counted } from '../../protocol/base/quantity.ts';
import { units } from '../../protocol/base/units.ts';
import type { Charter, Policy } from '../../protocol/documents/index.ts';
import { type Context, type Define, defineCommand } from '../../terminal/context.ts';
import { asDaemon } from '../../terminal/daemon-options.ts';
import { type Exit, exits } from '../../terminal/exit-codes.ts';
import { eventPrinter } from '../../terminal/node-events.ts';
import { aborted } from '../../terminal/run-node.ts';
import { amountOf, hostPort, severalTiers, wholeNumber, wholeNumberFrom } from '../../terminal/values.ts';
import { agreed, offerOf } from '../../worker/commands/joining.ts';
import { describeLending } from '../../worker/commands/lending.ts';

/** Each is a node with a store, some 40 MB, and may build at any time. */
const operatorsMax = 8;
/** As many as a round of a new project asks. */
const operatorsMin = 3;

/** How many volunteers are played: as `given`, else as many as a round asks by the floors, or by a job's own policy. `tooFew`: what these make of that number. */
export function volunteersFor(
  { floor, testFloor = floor }: Pick<Charter, 'floor' | 'testFloor'>,
  given: number | undefined,
  ofJobs: readonly Policy[] = [],
): { operators: number; tooFew: string | undefined } {
  const policies = [floor, testFloor, ...ofJobs];
  const asked = Math.max(...policies.map(({ of }) => of));
  const agree = Math.max(...policies.map((policy) => policy.agree));
  const operators = given ?? Math.min(Math.max(operatorsMin, asked), operatorsMax);
  if (operators >= asked) return { operators, tooFew: undefined };
  const end = operators < agree ? `, and ${agree} have to agree: some jobs come to nothing here` : '';
  const more =
    asked > operatorsMax
      ? `quorate up plays ${operatorsMax} at most`
      : `with --operators ${asked} they are there`;
  return { operators, tooFew: `A round of this project asks ${asked} volunteers${end}; ${more}.` };
}

interface Options {
  operators?: number;
  tier?: Tier[];
  cpus?: number;
  memory?: number;
  http: { host: string; port: number };
  yes?: boolean;
}

/** A job that says nothing asks for it. */
const memoryBytesMin = 1024 ** 3;

export const up: Define = (program, act) => {
  const command = defineCommand(program, 'up', {
    summary: 'try a project out, alone on this machine',
    description:
      'Plays a project of this repository, with keys of its own: controller, trusted worker and volunteers, all on this machine and in one process, until Ctrl-C. For trying it out: it is one machine, and proves nothing to anybody else. "quorate run" then builds what is committed here, without a push.',
    examples: ['quorate up', 'quorate up --operators 5 --tier namespace --yes'],
  });
  asDaemon(command)
    .option(
      '--operators <n>',
      `volunteers to play, 1 to ${operatorsMax} (default: as many as a round of the project asks at least, or ${operatorsMin})`,
      wholeNumberFrom(1, operatorsMax),
    )
    .option(
      '--tier <tier>',
      'sandbox of the builds, each must work; repeatable (default: the strongest)',
      severalTiers,
    )
    .option('--cpus <n>', 'processors of each build (default: an equal share)', wholeNumber)
    .option(
      '--memory <size>',
      'memory of each build (default: an equal share of half of it, 1GiB at least)',
      amountOf(units.size),
    )
    .addOption(
      new Option('--http <host:port>', 'where to serve the pages')
        .argParser(hostPort)
        .default({ host: '127.0.0.1', port: 0 }, '127.0.0.1, any free port'),
    )
    .option('--yes', 'do not ask')
    .action(act(run));
};

const oneMachine = 'All of it is this one machine: what it calls trusted proves nothing to anybody else.';

async function run(context: Context, options: Options): Promise<Exit> {
  const { cwd, out, signal } = context;
  const { yellow, bold, dim } = out.colours;
  const own = await findProject(cwd);
  const root = own ?? repositoryAt(cwd);
  await checkOwnPlayed(root);
  await checkFree(root);
  const upDir = playedOf(root);
  const isFirst = !existsSync(join(upDir, '.quorate', 'charter.jws'));
  const { yes } = options;
  const { charterToPlay, discardUnbegun, openPlayed, sandboxOf } = await import('./played-project.ts');
  const ofJobs = await jobPolicies(root);
  const { operators, tooFew } = volunteersFor(await charterToPlay(root), options.operators, ofJobs);
  if (isFirst && yes !== true && !context.interactive) throw nobodyToAsk();
  out.say(
    bold(
      `This machine alone plays a project: controller, trusted worker, ${counted(operators, 'volunteer')}.`,
    ),
    yellow(oneMachine),
    ...(tooFew === undefined ? [] : [yellow(tooFew)]),
    'Looking whether this machine can build, which takes up to half a minute…',
  );
  const sandboxDir = sandboxOf(root);
  const builds = operators + 1;
  const lent = {
    cpus: options.cpus ?? Math.max(1, Math.floor(availableParallelism() / builds)),
    memory: options.memory ?? Math.max(memoryBytesMin, Math.floor(totalmem() / 2 / builds)),
    ...(options.tier !== undefined && { tier: options.tier }),
  };
  const discard = async (): Promise<void> => {
    if (isFirst) await discardUnbegun(root);
  };
  const failed = async (error: unknown): Promise<never> => {
    await discard().catch(() => {});
    throw error;
  };
  const offer = await offerOf(context, upDir, sandboxDir, lent).catch(failed);
  const { consent, lending } = offer;
  const [tier = 'namespace'] = lending.capabilities.tiers;
  out.say(
    `Each of ${builds} builds at once has, at low priority and in a sandbox:`,
    ...describeLending(lending).slice(0, 3),
    `The sandbox is ${tierSays[tier]}.`,
    'It builds what is committed in this repository, which it serves to programs on this machine.',
    `It has keys and members of its own, all in ${upDir}; no other project is changed.`,
  );
  if (consent !== undefined) out.say(yellow(`Mind: ${consent.why}.`));
  const ask = consent !== undefined || isFirst;
  if (ask && !(await agreed(context, { yes }, consent, 'Build on this machine').catch(failed))) {
    await discard();
    out.say('Nothing was done.');
    return exits.no;
  }
  const { jobFile, ignored } = await prepareRepository(root);
  const unguessed = await unguessedIn(root);
  if (jobFile === 'made')
    out.say(
      `Made quorate.yaml, ${unguessed === undefined ? 'an example job; make it yours' : 'a job whose commands are not known yet'}.`,
    );
  if (ignored === 'added') out.say('Added .quorate/ to .gitignore, as it holds keys.');
  out.say(...(await sayMissingTools(await jobFileText(root))).map(yellow));
  await rememberTiers(upDir, offer.sandboxes.tiers);
  // Another one may have been started meanwhile, and the charter would name a port of this one as well.
  await checkFree(root);
  const { localMembers, LocalProject } = await import('./local-project.ts');
  let folder = await openPlayed(root);
  const members = await localMembers(upDir, folder.project, operators);

  const failure = Promise.withResolvers<never>();
  failure.promise.catch(() => undefined);
  const rekeyed = Promise.withResolvers<void>();
  const attendance = new Attendance(
    members.map(({ name }) => name),
    (says) => out.note(says),
  );
  const print = eventPrinter(out, { service: 'up' });
  const nodes = {
    members,
    offer,
    sandboxDir,
    signal,
    tell: (says: string) => out.note(says),
    onRekeyed: rekeyed.resolve,
    onFailure: failure.reject,
    onEvent(node: string, event: Parameters<typeof print>[0]) {
      if (node === 'controller' && event.kind === 'present') attendance.came(event.data?.operator);
      // The controller tells of builds as well.
      if (signal.aborted || (node !== 'controller' && !isLogged('warn', event.level))) return;
      print(node === 'controller' ? event : { ...event, says: `${node}: ${event.says}` });
    },
  };
  const closing: (() => Promise<void>)[] = [];
  const stopped = Promise.race([aborted(signal), failure.promise, rekeyed.promise]);
  try {
    const { openSource } = await import('./local-source.ts');
    const source = await openSource(root, folder);
    closing.push(() => source.close());
    folder = source.folder;
    const project = await LocalProject.start({ ...nodes, folder });
    closing.push(() => project.close());
    const http = await serveFeed(project.controller, { http: options.http }, { folder, out });
    closing.push(async () => http?.close());
    const urls = http?.urls ?? [];
    const { id } = project.controller;
    out.value({ event: 'listening', id, project: folder.project, http: urls, source: source.url });
    await project.join({ ...nodes, folder });
    await attendance.whole(stopped);
    if (!signal.aborted) {
      await source.announce();
      const names = members.map(({ name }) => name);
      out.value({ event: 'ready', operators: names.slice(0, -1), trusted: names.at(-1) });
      out.say(
        '',
        bold(`All ${builds} are here. In another terminal, in this repository:`),
        ...(source.note === undefined ? [] : [yellow(`  ${source.note}`)]),
        ...(unguessed === undefined ? [] : [yellow(`  ${sayUnguessed(unguessed)}`)]),
        '  quorate run',
        'It builds what is committed here, without a push, and says how to fetch what came of it.',
        ...urls.map((url) => `See it at ${url}`),
        dim('Ctrl-C stops all of it.'),
        '',
      );
    }
    await stopped;
  } catch (error) {
    if (!signal.aborted || error !== signal.reason) throw error;
  } finally {
    await Promise.allSettled(closing.map((close) => close()));
  }
  out.say(
    'Stopped: nothing of it runs now; the next "quorate up" goes on with the same homes.',
    yellow(
      `${oneMachine} With others: ${own === undefined ? 'quorate init, ' : ''}quorate controller, and quorate invite alice bob carol.`,
    ),
  );
  return exits.done;
}

const nobodyToAsk = () =>
  new QuorateError('CLI_CONFIRMATION_NEEDED', 'there is no terminal to ask for confirmation', {
    hint: 'To build on this machine without being asked: quorate up --yes',
  });

/** Those of the job file as it lies here. None where it cannot be read: `quorate run` says what is wrong with it. */
async function jobPolicies(root: string): Promise<Policy[]> {
  const { parseJobFile } = await import('../../jobfile/index.ts');
  try {
    return parseJobFile(await jobFileText(root), 'quorate.yaml').jobs.map(({ trust }) => trust);
  } catch {
    return [];
  }
}

/** @throws JOURNAL_IN_USE where a controller for the repository runs here */
async function checkFree(root: string): Promise<void> {
  const { checkJournalFree } = await import('../../journal/index.ts');
  const { journalFile } = await import('../../owner/controller-socket.ts');
  const { servedSource } = await import('../../owner/served-source.ts');
  const running = await servedSource(root);
  if (running !== undefined)
    throw new QuorateError('JOURNAL_IN_USE', `quorate up runs here already, as process ${running.pid}`, {
      hint: 'Use it from this terminal: quorate run. Ctrl-C in its own ends it.',
    });
  for (const [where, says, hint] of [
    [playedOf(root), 'another quorate up starts or ends here', 'Try again in a minute.'],
    // "quorate run" could mean either.
    [
      root,
      'the controller of this project runs already',
      'quorate up plays another one: stop that one first.',
    ],
  ] as const)
    try {
      checkJournalFree(journalFile(join(where, '.quorate')));
    } catch (cause) {
      if (codeOf(cause) !== 'JOURNAL_IN_USE') throw cause;
      throw new QuorateError('JOURNAL_IN_USE', says, { hint, cause });
    }
}

/** Between two lines about those who are missing. */
const toldMs = 10_000;

/** Waits for members to connect. */
export class Attendance {
  readonly #missing: Set<unknown>;
  readonly #note: (says: string) => void;
  readonly #whole = Promise.withResolvers<void>();

  constructor(names: readonly string[], note: (says: string) => void) {
    this.#missing = new Set(names);
    this.#note = note;
  }

  came(name: unknown): void {
    this.#missing.delete(name);
    if (this.#missing.size === 0) this.#whole.resolve();
  }

  /** Resolves when all are there, or as `stopped` does; until then it names those who are missing every `toldMs`. */
  async whole(stopped: Promise<unknown>): Promise<void> {
    const tell = () => this.#note(`Waiting for ${[...this.#missing].join(', ')} to connect.`);
    const timer = setInterval(tell, toldMs);
    try {
      await Promise.race([this.#whole.promise, stopped]);
    } finally {
      clearInterval(timer);
    }
  }
}
