import { mkdir, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { QuorateError } from '../../../protocol/base/errors.ts';
import type { Context } from '../../../terminal/context.ts';
import { type Exit, exits } from '../../../terminal/exit-codes.ts';
import { hostPortText } from '../../../terminal/values.ts';
import {
  agreed,
  builds,
  enrol,
  hostsToShow,
  type JoinOptions,
  joiningOf,
  nothingToRun,
  offerOf,
  sayLending,
} from '../joining.ts';
import { asAccount, homeFor, makeAccount } from './account.ts';
import { checkProgram, checkSystemd, commandsFor, userOf, writeUnit } from './install.ts';
import { serviceUser, systemHome, unitOf } from './unit.ts';

/** Joins as `join` does and installs a systemd service for the worker. Does not start it, but prints the command. */
export async function joinAsService(
  context: Context,
  ticket: string | undefined,
  options: JoinOptions,
): Promise<Exit> {
  const { out, env } = context;
  const scope = options.user === true ? 'user' : 'system';
  const dir = scope === 'user' || context.homeGiven ? context.home : systemHome;
  const user = scope === 'system' ? await userOf() : undefined;
  const unitWith = (node: string, script: string, project: string | undefined, tier = options.tier) =>
    unitOf({ scope, node, script, home: dir, args: argsOf({ ...options, tier }, project), user });
  const entry = process.argv[1] ?? '';
  const { openHome } = await import('../../../node/membership/home.ts');
  const home = openHome(dir);

  if (options.printUnit === true) {
    await checkProgram(entry, { user: 'own' });
    const unit = unitWith(process.execPath, entry, options.project);
    out.value({ unit });
    out.print(unit.trimEnd());
    return exits.done;
  }

  await checkSystemd();
  if (scope === 'system' && process.getuid?.() !== 0) {
    throw new QuorateError('SERVICE_NEEDS_ROOT', "only root can add to the machine's services", {
      hint: 'Run it with sudo, or add --user for a service of your own.',
    });
  }
  const reader = { user: user === serviceUser ? 'other' : 'own' } as const;
  const script = await checkProgram(entry, reader);
  const node = await checkProgram(process.execPath, reader);
  // Fails with a hint before anything is written.
  const { makeScratch } = await import('../../../node/scratch.ts');
  const scratch = await makeScratch('service');
  const offer = await offerOf(context, dir, scratch, options).finally(() =>
    rm(scratch, { recursive: true, force: true }),
  );

  const account = user === serviceUser ? await makeAccount(dir) : undefined;
  if (account === undefined) await mkdir(dir, { recursive: true, mode: 0o700 });
  else await homeFor(account, dir);
  if (account?.made === true) out.say(`Made the account "${serviceUser}", which the service runs as.`);

  const joining = await asAccount(account, () => joiningOf(home, ticket, options.project));
  if (!builds(joining.role)) throw nothingToRun(joining.role);
  const { checkServed } = await import('../../node/terms.ts');
  checkServed(offer.rules, joining.project);
  const hosts = await asAccount(account, () => hostsToShow(context, home, joining, offer.rules, ticket));
  sayLending(context, joining, offer, hosts);
  const ask = ticket !== undefined || offer.consent !== undefined;
  if (ask && !(await agreed(context, options, offer.consent))) {
    out.say('It was not joined.');
    return exits.no;
  }
  if (ticket !== undefined) await asAccount(account, () => enrol(context, home, ticket, hosts));
  const folder =
    scope === 'system'
      ? '/etc/systemd/system'
      : join(env.XDG_CONFIG_HOME || join(homedir(), '.config'), 'systemd', 'user');
  const file = await writeUnit(folder, unitWith(node, script, joining.project, [...offer.sandboxes.tiers]));
  const commands = commandsFor(scope);
  out.value({ event: 'installed', file, home: dir, project: joining.project, commands });
  out.say(
    `Wrote ${file}; key and artifacts are in ${dir}.`,
    ...Object.entries(commands).map(([label, command]) => `  ${label.padEnd(8)} ${command}`),
  );
  return exits.done;
}

/** The options of this call, for the service's command line. */
function argsOf(
  { cpus, memory, disk, jobs, tier = [], listen = [], logLevel, logFormat, metrics }: JoinOptions,
  project: string | undefined,
): string[] {
  const mib = (bytes: number | undefined) => bytes && `${bytes / 2 ** 20}MiB`;
  const values = {
    project,
    cpus,
    memory: mib(memory),
    disk: mib(disk),
    jobs,
    tier,
    listen,
    'log-level': logLevel,
    'log-format': logFormat,
    metrics: metrics && hostPortText(metrics),
  };
  return Object.entries(values).flatMap(([name, value]) =>
    [value ?? []].flat().flatMap((one) => [`--${name}`, String(one)]),
  );
}
