import { membershipFor, withClient } from '../../member/commands/project-client.ts';
import { QuorateError } from '../../protocol/base/errors.ts';
import { escapeLine } from '../../protocol/base/escape.ts';
import { type Context, type Define, defineCommand, whichProject } from '../../terminal/context.ts';
import { type Exit, exits } from '../../terminal/exit-codes.ts';

interface Options {
  issuer?: string;
  page?: string;
  token?: string;
  project?: string;
}

export const login: Define = (program, act) =>
  defineCommand(program, 'login', {
    summary: 'sign in at the page of a project',
    description:
      "Signs in at a web service of a project. With --page by this machine's key, for its members: prints an address that a browser opens once. With --issuer by a code that a person who is signed in there confirms in a browser; then this terminal has a token for it. Signing in gives nobody a vote.",
    examples: [
      'quorate login --page https://ci.example.org',
      'quorate login --issuer https://ci.example.org',
    ],
  })
    .option('--page <url>', 'sign a browser in there with the key of this machine')
    .option('--issuer <url>', 'sign this terminal in there, with a code to confirm in a browser')
    .option('--token <url>', 'print the token that this terminal has for a service, for other programs')
    .option(...whichProject)
    .action(act(run));

async function run(context: Context, options: Options): Promise<Exit> {
  const { issuer, page, token } = options;
  if ([issuer, page, token].filter((given) => given !== undefined).length !== 1)
    throw new QuorateError('CLI_USAGE', 'say where: one of --page, --issuer and --token, with the address', {
      hint: 'quorate login --page https://ci.example.org',
    });
  const { originOf } = await import('../login.ts');
  if (page !== undefined) return signInPage(context, originOf(page), options.project);
  if (issuer !== undefined) return signInTerminal(context, originOf(issuer));
  return printToken(context, originOf(token ?? ''));
}

async function signInPage(context: Context, origin: string, project: string | undefined): Promise<Exit> {
  const { isGrantDue, signInWithKey } = await import('../login.ts');
  const { out, signal } = context;
  let { home, membership } = await membershipFor(context, project);
  if (await isGrantDue(membership, Date.now())) {
    // A client renews what is due, and keeps it.
    await withClient(context, project, async () => undefined);
    ({ home, membership } = await membershipFor(context, project));
  }
  const url = await signInWithKey(origin, { key: await home.key(), membership, now: Date.now(), signal });
  out.value({ url });
  out.say(url);
  out.note('Open it within a minute. It works once.');
  return exits.done;
}

async function signInTerminal({ home, out, signal }: Context, origin: string): Promise<Exit> {
  const { signInDevice } = await import('../../identity/oidc/device.ts');
  const { whoIs } = await import('../login.ts');
  const { saveSignIn } = await import('../../node/membership/sign-ins.ts');
  const { bold } = out.colours;
  const token = await signInDevice({
    issuer: origin,
    clientId: 'quorate-terminal',
    signal,
    tell({ code, url, completeUrl }) {
      out.value({ event: 'code', code, url, completeUrl });
      out.say(`Open ${bold(completeUrl)}`, `or ${url} and type ${bold(code)}.`);
    },
  });
  const { person, name, role } = await whoIs(origin, token, signal);
  await saveSignIn(home, origin, token);
  out.value({ event: 'signed-in', origin, person, name, role });
  out.say(`Signed in at ${origin} as ${escapeLine(name, 200)}, ${role}.`);
  return exits.done;
}

async function printToken({ home, out }: Context, origin: string): Promise<Exit> {
  const { signInToken } = await import('../../node/membership/sign-ins.ts');
  const token = await signInToken(home, origin);
  if (token === undefined)
    throw new QuorateError('CLI_USAGE', `this terminal is not signed in at ${origin}`, {
      hint: `quorate login --issuer ${origin}`,
    });
  out.value({ origin, token });
  out.say(token);
  return exits.done;
}
