import { Option } from 'commander';
import { identityLimits } from '../../identity/limits.ts';
import { QuorateError } from '../../protocol/base/errors.ts';
import { limits } from '../../protocol/base/limits.ts';
import type { Role } from '../../protocol/documents/index.ts';
import { type Context, type Define, examples } from '../../terminal/context.ts';
import { type Exit, exits } from '../../terminal/exit-codes.ts';
import { counted, duration, when } from '../../terminal/format.ts';
import { nameForm, namePattern, secondsOf, wholeNumber } from '../../terminal/values.ts';
import { openProject } from '../project.ts';
import { revokedBefore } from './revoke.ts';

interface Options {
  role: Role;
  hosts: number;
  key?: string;
  expires: number;
}

const roles: Role[] = ['worker', 'trusted-worker', 'publisher', 'reader'];
const week = 7 * 24 * 3600;

export const invite: Define = (program, act) =>
  program
    .command('invite')
    .summary('make a ticket for an operator')
    .description(
      'Makes a ticket, one line to paste into a chat, with which one operator joins the project. One ticket, one vote: all hosts that join with it count once.',
    )
    .argument('<operator>', "the operator's name, such as alice")
    .addOption(new Option('--role <role>', 'what they may do').choices(roles).default('worker'))
    .option('--hosts <n>', 'how many hosts may join with it', wholeNumber, 1)
    .option('--key <PeerId>', 'only the host with this key may join; needed for a trusted worker')
    .option(
      '--expires <time>',
      'how long it can be used: 12h, 7d; 30d at most, and a minute more for clocks that differ',
      secondsOf,
      week,
    )
    .addHelpText(
      'after',
      examples('quorate invite alice', 'quorate invite me --role trusted-worker --key 12D3KooW…'),
    )
    .action(act(run));

/** Loopback, which no other machine reaches. */
const isHere = (addr: string): boolean =>
  /^\/(?:ip4\/127\.|ip6\/(?:::1|::ffff:127\.)|dns[46]?\/localhost\/)/.test(addr);

async function run({ cwd, out }: Context, operator: string, options: Options): Promise<Exit> {
  if (!namePattern.test(operator))
    throw new QuorateError('CLI_USAGE', `"${operator}" cannot be an operator's name`, { hint: nameForm });
  if (options.expires > identityLimits.inviteSecondsMax) {
    const most = duration(identityLimits.inviteSecondsMax * 1000);
    throw new QuorateError('CLI_USAGE', `a ticket lasts at most ${most}`, {
      hint: 'Give a shorter --expires; another ticket can be made any time.',
    });
  }
  const { role, hosts, key, expires: seconds } = options;
  if (key !== undefined) (await import('../../protocol/documents/index.ts')).publicKeyOf(key);
  const folder = await openProject(cwd);
  // A trusted worker is revoked by its key.
  const revoked =
    role === 'trusted-worker' ? null : await revokedBefore(folder, { kind: 'operator', id: operator });
  if (revoked !== null)
    throw new QuorateError(
      'CLI_USAGE',
      `the operator ${operator} was revoked, from leaf ${revoked.since} of the log on (${revoked.reason}): nobody joins under that name any more`,
      { hint: 'Invite the same person under another name.' },
    );
  const { issueTicket } = await import('../project-folder.ts');
  const wanted = { operator, role, hosts, seconds, key };
  const { ticket, charterChanged, expires, addrs } = await issueTicket(folder, wanted);
  out.value({ ticket, operator, role, hosts, expires, charterChanged, project: folder.project });
  const { bold, dim } = out.colours;
  out.say(
    `A ticket for ${bold(operator)}, ${role}, ${counted(hosts, 'host')}, until ${when(expires * 1000)}:`,
    '',
    ticket,
    '',
    `Send it to ${operator} and nobody else. They run: quorate join <ticket>`,
    dim(`Clocks of hosts differ: it is still taken up to ${duration(limits.clockSkewSeconds * 1000)} later.`),
  );
  if (addrs.every(isHere))
    out.note(
      out.colours.yellow(
        'The ticket names addresses of this machine only: it is of use here and nowhere else. For others, start the controller with an address that they reach: quorate controller --announce /ip4/<address>/tcp/4710',
      ),
    );
  if (charterChanged) out.say(dim('The charter now names that key; a running controller takes it over.'));
  return exits.done;
}
