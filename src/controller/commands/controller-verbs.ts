import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { playedHomes } from '../../owner/played.ts';
import { openProject, projectHere } from '../../owner/project.ts';
import type { ProjectFolder } from '../../owner/project-folder.ts';
import { accountLine } from '../../protocol/account/index.ts';
import { codeOf } from '../../protocol/base/errors.ts';
import { escapeLine } from '../../protocol/base/escape.ts';
import { sayFullKey, sayLapsed } from '../../protocol/trust/key-texts.ts';
import { type Act, type Context, defineCommand } from '../../terminal/context.ts';
import { type Exit, exits } from '../../terminal/exit-codes.ts';
import { counted, duration, shortRun, when } from '../../terminal/format.ts';
import type { Output } from '../../terminal/output.ts';
import { secondsOf } from '../../terminal/values.ts';
import type { ControllerStatus } from '../node/status.ts';

/** Runs and leases that are shown as text. */
const shownMax = 10;
const limitDefaultSeconds = 3_600;
const lookMs = 1_000;

/** `controller status`, `controller members` and `controller drain`, for the controller that runs from this repository. */
export function addControllerVerbs(controller: Command, act: Act): void {
  defineCommand(controller, 'status', {
    summary: 'show what it does and what it waits for',
    description:
      'Shows queue, leases and workers of the controller that runs from this repository, as its own user. Of one that is stopped it shows what the journal says.',
    examples: ['quorate controller status'],
  }).action(act(status));
  defineCommand(controller, 'members', {
    summary: 'show who joined, and by which key',
    description:
      "Lists the keys that joined the project of this repository, in the order they did: operator, role, the key of the identity provider that signed the ticket, and the leaves of the log then. Also those that were revoked, or dismissed because that key was not its owner's any more.",
    examples: ['quorate controller members', 'quorate controller members --json'],
  }).action(act(members));
  defineCommand(controller, 'drain', {
    summary: 'begin no round, wait for the builds that run, then end',
    description:
      'Has the running controller begin no further round. It takes requests meanwhile, and ends when the leases that are live have; requests and leases that are left go on after its next start. Ctrl-C stops waiting, not the drain.',
    examples: ['quorate controller drain --limit 20m'],
  })
    .option('--limit <time>', 'end after this time whatever still runs (default: 1h)', secondsOf)
    .option('--no-wait', 'return at once')
    .action(act(drain));
}

const projectInUse = async (cwd: string): Promise<ProjectFolder> =>
  (await projectHere(cwd)) ?? openProject(cwd);

async function status({ cwd, out, signal }: Context): Promise<Exit> {
  const folder = await projectInUse(cwd);
  const { askController } = await import('../node/control.ts');
  const now = await runningOr(
    () => askController(folder.dir, { do: 'status' }, { signal }),
    async () => (await import('../node/controller-journal.ts')).statusOfStopped(folder),
  );
  out.value(now);
  // A controller of before says nothing of it.
  if ((now.asking ?? null) !== null) await sayAsking(out, now);
  say(out, folder, now);
  return exits.done;
}

/** The answer of the running controller, or what its journal says; of one that has started meanwhile its answer. */
async function runningOr<T>(ask: () => Promise<T>, read: () => Promise<T>): Promise<T> {
  const instead = (code: string, next: () => Promise<T>) => (error: unknown) => {
    if (codeOf(error) !== code) throw error;
    return next();
  };
  return ask().catch(instead('CONTROLLER_NOT_RUNNING', () => read().catch(instead('JOURNAL_IN_USE', ask))));
}

async function members({ cwd, out, signal }: Context): Promise<Exit> {
  const folder = await projectInUse(cwd);
  const { askForMembers } = await import('../node/control.ts');
  const all = await runningOr(
    () => askForMembers(folder.dir, { signal }),
    async () => (await import('../node/controller-journal.ts')).membersOfStopped(folder),
  );
  out.value({ project: folder.project, members: all });
  const { bold, dim, yellow } = out.colours;
  for (const { key, operator, role, state, by, since } of all) {
    const stands = state === 'member' ? '' : `  ${yellow(state)}`;
    out.say(
      `${bold(escapeLine(operator, 80))} (${role})${stands}`,
      dim(`  key    ${key}`),
      dim(`  joined before leaf ${since} of the log, with a ticket of ${out.id(by)}`),
    );
  }
  out.say(`${counted(all.length, 'key')} joined. Who should not be here: quorate revoke <operator or key>`);
  return exits.done;
}

interface DrainOptions {
  limit?: number;
  wait: boolean;
}

async function drain({ cwd, out, signal }: Context, { limit, wait }: DrainOptions): Promise<Exit> {
  const folder = await openProject(cwd);
  const { askController } = await import('../node/control.ts');
  let now = await askController(folder.dir, { do: 'drain', limitMs: (limit ?? limitDefaultSeconds) * 1000 });
  let told: string | undefined;
  while (wait) {
    const waits = now.waitsFor.map(({ run, slot }) => `${run} ${slot}`).join(' ');
    if (told !== waits) {
      out.value({ event: 'draining', ...now });
      sayWaiting(out, now);
      told = waits;
    }
    if (signal.aborted) return exits.interrupted;
    await sleep(lookMs, undefined, { signal }).catch(() => undefined);
    try {
      now = await askController(folder.dir, { do: 'status' });
    } catch (error) {
      const code = codeOf(error) ?? '';
      if (code === 'CONTROLLER_STARTING') continue;
      if (!['CONTROLLER_NOT_RUNNING', 'CONTROL_LOST'].includes(code)) throw error;
      break;
    }
  }
  out.value({ event: wait ? 'drained' : 'draining', ...(wait ? {} : now) });
  out.say(wait ? 'Drained: the controller has ended.' : 'It drains. See: quorate controller status');
  return exits.done;
}

function sayWaiting(out: Output, { leases, waitsFor, stopsBy }: ControllerStatus): void {
  const until = stopsBy === null ? '' : `, until ${when(stopsBy)} at the latest`;
  out.say(`Waits for ${counted(leases, 'lease')}${until}.`);
  sayLeases(out, waitsFor, leases);
}

function sayLeases(out: Output, waitsFor: ControllerStatus['waitsFor'], leases: number): void {
  const now = Date.now();
  for (const { run, name, operator, slot, since, until } of waitsFor.slice(0, shownMax))
    out.say(
      `  lease      ${shortRun(run)} ${escapeLine(name, 80)}: ${escapeLine(operator, 80)}, slot ${slot}, for ${duration(now - since)}, until ${when(until)} at the latest`,
    );
  if (leases > shownMax) out.say(`  lease      ${leases - shownMax} more`);
}

async function sayAsking(out: Output, { asking }: ControllerStatus): Promise<void> {
  const { sayWait } = await import('../sessions/start-inquiry.ts');
  if (asking !== null)
    out.say(
      out.colours.yellow(
        `It signs nothing before its members have told what its log was: it waits for ${sayWait(asking)}.`,
      ),
    );
}

function sayConnections(out: Output, connections: ControllerStatus['connections']): void {
  if (connections === null) return;
  const { open, max, refused, isFull } = connections;
  out.say(`  places     ${open} of ${max} connections are taken, ${refused} were refused since its start`);
  if (isFull)
    out.say(
      out.colours.yellow(
        '  FULL       connections of members were refused within ten minutes; --connections gives it more',
      ),
    );
}

function say(out: Output, { name, dir }: Pick<ProjectFolder, 'name' | 'dir'>, now: ControllerStatus): void {
  const { bold, dim, yellow } = out.colours;
  const { state, runs, oldest, offers, leases, waitsFor, workers, behind, operators, leaves } = now;
  const { revocations, fullKeys } = now;
  out.say(
    `${bold(state)}${state === 'draining' ? `: begins no round, ends by ${when(now.stopsBy ?? 0)}` : ''}`,
  );
  out.say(`  project    ${escapeLine(name, 80)} ${dim(out.id(now.project))}`);
  const states = Object.entries(runs.states).map(([one, count]) => `${count} ${one}`);
  out.say(
    `  runs       ${runs.open} open of ${runs.all}${states.length === 0 ? '' : `: ${states.join(', ')}`}`,
  );
  for (const run of oldest.slice(0, shownMax))
    out.say(
      `             ${shortRun(run.run)} ${escapeLine(run.name, 80)}, published ${when(run.submittedAt)}: ${escapeLine(accountLine(run), 300)}`,
    );
  if (runs.open > shownMax) out.say(`             ${runs.open - shownMax} more`);
  out.say(`  offers     ${offers}`);
  if (workers !== null)
    out.say(
      `  connected  ${counted(workers.worker, 'worker')}, ${counted(workers['trusted-worker'], 'trusted worker')}`,
    );
  // A controller of before says nothing of it, nor of who is behind.
  sayConnections(out, now.connections ?? null);
  for (const { operator, role, says } of (behind ?? []).slice(0, shownMax))
    out.say(yellow(`  older      the ${role} of ${escapeLine(operator, 80)} ${escapeLine(says, 500)}`));
  if ((behind ?? []).length > shownMax) out.say(`  older      ${behind.length - shownMax} more`);
  out.say(
    `  admitted   ${counted(operators.worker, 'operator')}, ${counted(operators['trusted-worker'], 'trusted operator')}`,
  );
  sayLeases(out, waitsFor, leases);
  out.say(`  log        ${leaves} leaves, ${counted(revocations, 'revocation')}`);
  // A controller of before says nothing of it.
  if ((now.lapsed ?? []).length > 0)
    out.say(
      yellow(`  revoked    ${escapeLine(sayLapsed(now.lapsed), 5000)}`),
      dim('             quorate revoke signs again what should count'),
    );
  for (const key of fullKeys) out.say(out.colours.red(`  ALARM      ${sayFullKey(key)}`));
  if (state === 'stopped')
    out.say(
      dim(
        `From its journal. To start it: quorate ${playedHomes({ dir }) === undefined ? 'controller' : 'up'}`,
      ),
    );
}
