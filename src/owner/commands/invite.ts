import { Option } from 'commander';
import { identityLimits } from '../../identity/limits.ts';
import { assert, QuorateError } from '../../protocol/base/errors.ts';
import { limits } from '../../protocol/base/limits.ts';
import type { Role } from '../../protocol/documents/index.ts';
import { type Context, type Define, defineCommand } from '../../terminal/context.ts';
import { type Exit, exits } from '../../terminal/exit-codes.ts';
import { counted, duration, when } from '../../terminal/format.ts';
import { nameForm, namePattern, secondsOf, wholeNumber } from '../../terminal/values.ts';
import { openProject } from '../project.ts';
import type { ProjectFolder } from '../project-folder.ts';
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
  defineCommand(program, 'invite', {
    summary: 'make tickets for operators',
    description:
      'Makes a ticket, one line to paste into a chat, with which one operator joins the project. One ticket, one vote: all hosts that join with it count once. Of several operators each gets one of their own, or none does.',
    examples: [
      'quorate invite alice',
      'quorate invite alice bob carol',
      'quorate invite me --role trusted-worker --key 12D3KooW…',
    ],
  })
    .argument('<operator...>', "the operators' names, such as alice")
    .addOption(new Option('--role <role>', 'what they may do').choices(roles).default('worker'))
    .option('--hosts <n>', 'how many hosts may join with it', wholeNumber, 1)
    .option('--key <PeerId>', 'only the host with this key may join; needed for a trusted worker')
    .addOption(
      new Option(
        '--expires <time>',
        'how long it can be used: 12h, 7d; 30d at most, and a minute more for clocks that differ',
      )
        .argParser(secondsOf)
        .default(week, '7d'),
    )
    .action(act(run));

/** Loopback, which no other machine reaches. */
const isHere = (addr: string): boolean =>
  /^\/(?:ip4\/127\.|ip6\/(?:::1|::ffff:127\.)|dns[46]?\/localhost\/)/.test(addr);

/** One call makes as many; there is always another call. */
const operatorsMax = 50;

async function run(context: Context, operators: string[], options: Options): Promise<Exit> {
  const { cwd, out } = context;
  checkNames(operators, options);
  if (options.expires > identityLimits.inviteSecondsMax) {
    const most = duration(identityLimits.inviteSecondsMax * 1000);
    throw new QuorateError('CLI_USAGE', `a ticket lasts at most ${most}`, {
      hint: 'Give a shorter --expires; another ticket can be made any time.',
    });
  }
  const { role, hosts, key, expires: seconds } = options;
  if (key !== undefined) (await import('../../protocol/documents/index.ts')).publicKeyOf(key);
  const folder = await openProject(cwd);
  // A trusted worker is revoked by its key. All are asked for before the first ticket is made.
  if (role !== 'trusted-worker') for (const operator of operators) await checkNotRevoked(folder, operator);
  const { issueTicket } = await import('../project-folder.ts');
  const made = [];
  const addrs: string[] = [];
  for (const operator of operators) {
    const one = await issueTicket(folder, { operator, role, hosts, seconds, key });
    const { ticket, charterChanged, expires } = one;
    addrs.push(...one.addrs);
    made.push({ ticket, operator, role, hosts, expires, charterChanged, project: folder.project });
  }
  const [first] = made;
  assert(first !== undefined, 'commander asks for one name at least');
  out.value(made.length === 1 ? first : made);
  const { bold, dim } = out.colours;
  const what = `${role}, ${counted(hosts, 'host')}${made.length === 1 ? '' : ' each'}, until ${when(first.expires * 1000)}`;
  if (made.length === 1)
    out.say(
      `A ticket for ${bold(first.operator)}, ${what}:`,
      '',
      first.ticket,
      '',
      `Send it to ${first.operator} and nobody else. They run: quorate join <ticket>`,
    );
  else
    out.say(
      `Tickets for ${made.length} operators, ${what}; a line for each:`,
      '',
      ...made.map(({ operator, ticket }) => `${bold(operator)}  ${ticket}`),
      '',
      'Send each its own, and nobody another one. They run: quorate join <ticket>',
    );
  out.say(
    dim(`Clocks of hosts differ: it is still taken up to ${duration(limits.clockSkewSeconds * 1000)} later.`),
  );
  if (addrs.every(isHere))
    out.say(
      out.colours.yellow(
        'The ticket names addresses of this machine only: it is of use here and nowhere else. For others, start the controller with an address that they reach: quorate controller --announce /ip4/<address>/tcp/4710',
      ),
    );
  if (first.charterChanged)
    out.say(dim('The charter now names that key; a running controller takes it over.'));
  const here = role === 'worker' ? folder.charter.vcs.filter((host) => /^127\./.test(host)) : [];
  if (here.length > 0)
    out.say(
      out.colours.yellow(
        `The charter lets jobs fetch source from ${here.join(', ')}, which on a machine of others is theirs. To name your server instead: quorate charter set --vcs <host>`,
      ),
    );
  return exits.done;
}

function checkNames(operators: readonly string[], { key }: Options): void {
  const bad = operators.find((operator) => !namePattern.test(operator));
  if (bad !== undefined)
    throw new QuorateError('CLI_USAGE', `"${bad}" cannot be an operator's name`, { hint: nameForm });
  const twice = operators.find((operator, at) => operators.indexOf(operator) !== at);
  if (twice !== undefined)
    throw new QuorateError('CLI_USAGE', `"${twice}" is named twice`, {
      hint: 'One operator needs one ticket; --hosts says how many hosts may join with it.',
    });
  if (operators.length > operatorsMax)
    throw new QuorateError('CLI_USAGE', `at most ${operatorsMax} tickets are made at once`);
  if (key !== undefined && operators.length > 1)
    throw new QuorateError('CLI_USAGE', '--key is that of one host, and these are several operators', {
      hint: 'Make the ticket of that host by itself.',
    });
}

async function checkNotRevoked(folder: ProjectFolder, operator: string): Promise<void> {
  const revoked = await revokedBefore(folder, { kind: 'operator', id: operator });
  if (revoked === null) return;
  throw new QuorateError(
    'CLI_USAGE',
    `the operator ${operator} was revoked, from leaf ${revoked.since} of the log on (${revoked.reason}): nobody joins under that name any more`,
    { hint: 'Invite the same person under another name.' },
  );
}
