import { join } from 'node:path';
import type { Tier } from '../../../sandbox/index.ts';
import {
  type Consent,
  consentFor,
  consentNeeded,
  openTiers,
  tierSays,
} from '../../execution/tier-consent.ts';
import type { Home } from '../../node/membership/home.ts';
import { QuorateError } from '../../protocol/base/errors.ts';
import type { AllowedHosts } from '../../protocol/base/host-entry.ts';
import type { Invite, Role } from '../../protocol/documents/index.ts';
import type { Membership } from '../../protocol/sessions/credentials.ts';
import { confirmed } from '../../terminal/confirm.ts';
import type { Context } from '../../terminal/context.ts';
import type { DaemonOptions } from '../../terminal/daemon-options.ts';
import { shortId } from '../../terminal/format.ts';
import type { OperatorRules } from '../node/terms.ts';
import { describeLending, hostsText, lendingFrom, namedIn } from './lending.ts';
import type { LendingOptions } from './worker-file.ts';

/** Options of `join`, with or without --service. */
export interface JoinOptions extends LendingOptions, DaemonOptions {
  listen?: string[];
  tier?: Tier[];
  checkConfig?: boolean;
  project?: string;
  yes?: boolean;
  acceptClock?: boolean;
  service?: boolean;
  user?: boolean;
  printUnit?: boolean;
}

type Joining = Awaited<ReturnType<typeof joiningOf>>;

/** The project of the ticket, or without one that of the membership. @throws `TICKET_…`, `MEMBERSHIP_…`. */
export async function joiningOf(home: Home, ticket: string | undefined, project: string | undefined) {
  const known = ticket === undefined ? await home.membership(project) : undefined;
  const of = known ?? (await readTicket(ticket ?? '', home));
  // Known before joining, but for a ticket that leads into it.
  return { known, project: of.project, operator: of.operator, role: of.role };
}

/** Whether a role builds, and so runs a process. */
export const builds = (role: Role): boolean => role === 'worker' || role === 'trusted-worker';

export function nothingToRun(role: Role): QuorateError {
  return new QuorateError('CLI_USAGE', `this machine is a ${role} of the project, which builds nothing`, {
    hint: 'quorate run publishes a job, quorate jobs lists them.',
  });
}

export async function enrol(
  { signal, out }: Context,
  home: Home,
  ticket: string,
  shown?: AllowedHosts,
): Promise<Membership> {
  const { joinProject } = await import('../../node/membership/join.ts');
  const tell = (says: string) => out.note(says);
  return joinProject({ home, ticket, signal, tell, ...(Array.isArray(shown) && { shown }) });
}

/** Hosts that the worker will connect to: those of worker.toml, else those that the project names at the first time. @throws those of `hostsOfTicket`. */
export async function hostsToShow(
  { signal, out }: Context,
  home: Home,
  { known }: Joining,
  { hosts }: OperatorRules,
  ticket: string | undefined,
): Promise<AllowedHosts> {
  if (ticket !== undefined) {
    const { hostsOfTicket } = await import('../../node/membership/join.ts');
    return hosts ?? hostsOfTicket({ home, ticket, signal, tell: (says) => out.note(says) });
  }
  if (hosts === 'any' || known === undefined) return hosts ?? [];
  const { hostsOf, knownHosts } = await import('../../node/membership/shown-hosts.ts');
  const recorded = await knownHosts(home, known.project);
  const { shown, allowed } = recorded ?? { shown: await hostsOf(known), allowed: [] };
  return [...new Set([...(hosts ?? shown), ...allowed])];
}

export type Offer = Awaited<ReturnType<typeof offerOf>>;

/**
 * Resources that this host can lend by worker.toml and the options. `stateDir`: of the sandbox.
 * @throws `WORKER_FILE_…`, `LIMITS_…`, PROJECT_NOT_SERVED, `SANDBOX_…`
 */
export async function offerOf(
  context: Context,
  home: string,
  stateDir: string,
  options: JoinOptions,
  project?: string,
) {
  const { checkDisk, checkHeld, checkServed } = await import('../node/terms.ts');
  const { readWorkerFile } = await import('./worker-file.ts');
  const file = await readWorkerFile(join(home, 'worker.toml'));
  const { rules } = file;
  const at = namedIn(options, file);
  const named = options.tier ?? file.tiers;
  const wanted = { ...file.lend, ...options };
  if (project !== undefined) checkServed(rules, project);
  await lendingFrom(wanted, rules, named ?? [], at);
  const { watchProbes } = await import('../../execution/probe-progress.ts');
  const sandboxes = await watchProbes(context, (watch) => openTiers(stateDir, named, watch));
  checkHeld(rules, sandboxes.abilities, at);
  const lending = await lendingFrom(wanted, rules, sandboxes.tiers, at);
  checkDisk(lending, sandboxes.abilities, at);
  const consent = await consentFor(home, sandboxes.tiers, named);
  return { sandboxes, lending, rules, consent };
}

/** Prints the project and the resources to lend. */
export function sayLending(
  { out }: Context,
  { known, project, operator, role }: Joining,
  { lending, consent }: Pick<Offer, 'lending' | 'consent'>,
  hosts: AllowedHosts,
): void {
  const { bold, yellow } = out.colours;
  const [tier = 'namespace'] = lending.capabilities.tiers;
  out.say(
    `${known === undefined ? 'Joins' : 'Goes on with'} project ${bold(known?.name ?? shortId(project))} as ${bold(operator)}, ${role}.`,
    'It lends, at low priority and in a sandbox:',
    ...describeLending(lending),
    `The sandbox is ${tierSays[tier]}.`,
    'What is built is up to the project; its results go there, nothing else does.',
    // The text leaves no host out: consent allows those that are shown.
    `For the project it connects to its members, and of other hosts to ${hostsText(hosts, Number.POSITIVE_INFINITY)}.`,
  );
  if (consent !== undefined) out.say(yellow(`Mind: ${consent.why}.`));
}

/** Opens a ticket and checks it without the controller: signature, time, and key. */
async function readTicket(ticket: string, home: Home): Promise<Invite> {
  const { decodeTicket } = await import('../../identity/ticket.ts');
  const { checkTime, openMessage } = await import('../../protocol/documents/index.ts');
  const { joseVerifier } = await import('../../identity/verifier.ts');
  const { keyFromSeed } = await import('../../identity/keys.ts');
  const { invite: jws, seed } = decodeTicket(ticket);
  let invite: Invite;
  try {
    invite = (await openMessage('invite', jws, joseVerifier)).payload;
    checkTime(invite, Date.now(), 'the ticket');
    if ((seed && keyFromSeed(seed).id) !== invite.holder)
      throw new QuorateError(
        'TICKET_MALFORMED',
        'the key at the end of the ticket is not the one that the ticket names',
      );
  } catch (cause) {
    if (!(cause instanceof QuorateError)) throw cause;
    const expired = 'Ask the project owner for a new one.';
    if (cause.code === 'DOC_EXPIRED')
      throw new QuorateError('TICKET_EXPIRED', cause.message, { hint: expired, cause });
    const again = 'Copy it again, whole; if that does not help, ask the project owner for a new one.';
    throw new QuorateError('TICKET_MALFORMED', cause.message, { hint: cause.hint ?? again, cause });
  }
  if (invite.key !== undefined && invite.key !== (await home.key()).id) {
    throw new QuorateError('TICKET_KEY_MISMATCH', 'the ticket is for another machine', {
      hint: `It names the key ${invite.key}; this machine's is printed by: quorate key`,
    });
  }
  return invite;
}

export async function agreed(
  context: Context,
  { yes = false }: JoinOptions,
  consent?: Consent,
  question = 'Lend this machine',
): Promise<boolean> {
  if (yes && consent !== undefined) throw consentNeeded(consent);
  if (yes) return true;
  if (!context.interactive) {
    throw new QuorateError('CLI_CONFIRMATION_NEEDED', 'there is no terminal to ask for confirmation', {
      hint: consent === undefined ? 'Add --yes.' : `Add --yes, and --tier ${consent.tier}: ${consent.why}.`,
    });
  }
  return confirmed(context, `${question}${consent === undefined ? '' : ` with ${consent.tier}`}?`);
}
