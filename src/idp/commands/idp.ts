import { join, resolve } from 'node:path';
import type { NodePorts } from '../../node/kernel/open-node.ts';
import { checkOwnFile } from '../../owner/own-folder.ts';
import { keysFolder } from '../../owner/project.ts';
import type { ProjectFolder } from '../../owner/project-folder.ts';
import { QuorateError } from '../../protocol/base/errors.ts';
import { escapeLine } from '../../protocol/base/escape.ts';
import { type Context, type Define, defineCommand } from '../../terminal/context.ts';
import {
  addDaemonOptions,
  type DaemonLog,
  type DaemonOptions,
  daemonLog,
  proxyAddresses,
  proxyHelp,
  trustedProxies,
} from '../../terminal/daemon-options.ts';
import { type Exit, exits } from '../../terminal/exit-codes.ts';
import { runNode } from '../../terminal/run-node.ts';
import { addresses, hostPort, secondsOf } from '../../terminal/values.ts';
import type { IdpNode } from '../node/node.ts';

interface Options extends DaemonOptions {
  listen?: string[];
  announce?: string[];
  charter?: string;
  grants?: number;
  acceptClock?: boolean;
  http?: { host: string; port: number };
  httpTrustedProxy?: string[];
  signIn?: string;
}

/** A fixed port, since the controller is told it. */
const listenDefault = '/ip4/0.0.0.0/tcp/4711';

export const idp: Define = (program, act) => {
  const group = defineCommand(program, 'idp', {
    summary: 'run the identity provider apart from the controller',
    description:
      'Runs the identity provider of a project in a process of its own, in the folder that "quorate idp init" made: it signs the grants with which members act, for what it checked itself, so that whoever takes over the controller cannot make operators. Runs until Ctrl-C; what it knows is on disk.',
    examples: ['quorate idp init', 'quorate idp --charter charter.jws'],
  })
    .option('--listen <address>', `where to listen; repeatable (default: ${listenDefault})`, addresses)
    .option('--announce <address>', 'what to print instead: a name, a forwarded port; repeatable', addresses)
    .option('--charter <file>', 'charter of the project, for the first start')
    .option('--grants <time>', 'how long the grant of a member lasts, at most 24h (default: 24h)', secondsOf)
    .option('--accept-clock', 'go on although the journal is later than now: the clock was wrong then')
    .option('--http <host:port>', 'where people sign in, with --sign-in', hostPort)
    .option('--http-trusted-proxy <address>', proxyHelp, proxyAddresses)
    .option('--sign-in <file>', 'let people sign in at the HTTP server, as this sign-in.toml says');
  addDaemonOptions(group).action(act(run));
  defineCommand(group, 'init', {
    summary: 'make its key',
    description:
      'Makes the key of an identity provider in .quorate/ here, and prints its PeerId, for "quorate init --idp" where the project is made. A key that is there is kept.',
    examples: ['quorate idp init'],
  }).action(act(init));
  const sessions = group
    .command('sessions')
    .summary('end what people are signed in with')
    .description(
      'Ends sessions of people who signed in. They may sign in again: "revoked" in sign-in.toml names those who may not.',
    );
  defineCommand(sessions, 'revoke <person>', {
    summary: 'end all sessions of a person',
    description:
      'Ends all sessions that a person has, here and at services that ask this one, within a second. A person is named as in "revoked" of sign-in.toml: https://issuer#subject, or the PeerId or operator of who signed in with a key.',
    examples: ['quorate idp sessions revoke https://login.example.org#ada'],
  })
    .option('--file <file>', 'sign-in.toml of the service (default: .quorate/sign-in.toml)')
    .action(act(revokeSessions));
};

async function revokeSessions(
  { cwd, out }: Context,
  person: string,
  options: { file?: string },
): Promise<Exit> {
  const { endSessionsOf, SignInFile } = await import('../../identity/oidc/settings-file.ts');
  const path = resolve(cwd, options.file ?? join(await keysFolder(cwd), 'sign-in.toml'));
  // A path that is wrong would end nobody's.
  const file = await SignInFile.open(path, () => {}, checkOwnFile);
  file.close();
  await endSessionsOf(person, path, Date.now());
  out.value({ person, ended: true });
  out.say(`Sessions of ${escapeLine(person, 600)} that there are now end.`);
  return exits.done;
}

async function init({ cwd, out }: Context): Promise<Exit> {
  const { initIdp } = await import('../../owner/idp-folder.ts');
  const { key, dir, made, ignored } = await initIdp(cwd);
  out.value({ key, folder: dir, made });
  out.note(made ? `This is a new key, made in ${dir}.` : `This key was in ${dir}.`);
  if (ignored === 'added') out.note('Added .quorate/ to .gitignore, as it holds keys.');
  out.note(`Where the project is made: quorate init --idp ${key}`);
  out.say(key);
  return exits.done;
}

async function run(context: Context, options: Options): Promise<Exit> {
  if ((options.signIn === undefined) !== (options.http === undefined))
    throw new QuorateError('CLI_USAGE', '--http and --sign-in belong together: the server is for signing in');
  const daemon = daemonLog(context.out, 'idp', options);
  while (await runOnce(context, daemon, options))
    daemon.out.say('The charter names another key: going on with that.');
  daemon.out.say('Stopped. What it knows is on disk: quorate idp goes on from there.');
  return exits.done;
}

/** Until Ctrl-C, or (true) until the charter names another key than the one it runs with. */
async function runOnce({ cwd, signal }: Context, daemon: DaemonLog, options: Options): Promise<boolean> {
  const { out } = daemon;
  const { openIdpFolder } = await import('../../owner/idp-folder.ts');
  const { startIdp } = await import('../node/node.ts');
  const dir = await keysFolder(cwd);
  const charter = options.charter === undefined ? undefined : resolve(cwd, options.charter);
  const folder = await openIdpFolder(dir, charter);
  const rekeyed = Promise.withResolvers<true>();
  const start = (ports: NodePorts) =>
    startIdp({
      ...ports,
      folder,
      listen: options.listen ?? [listenDefault],
      announce: options.announce ?? [],
      grantMs: options.grants === undefined ? undefined : options.grants * 1000,
      acceptClock: options.acceptClock ?? false,
      onRekeyed: () => rekeyed.resolve(true),
    });
  const isRekeyed = await runNode({ log: daemon, options, signal }, start, async (node, stopped) => {
    const http = await serveSignIn(node, options, { folder, out });
    try {
      const [all, { id, project }] = [node.addresses(), node];
      const urls = http === undefined ? [] : [http.origin];
      const { bold, dim } = out.colours;
      out.value({ event: 'listening', id, project, addresses: all, http: http && urls });
      out.say(
        `Identity provider of ${bold(folder.name)}`,
        `  project  ${project}`,
        ...all.map((address) => `  address  ${address}`),
        ...urls.map((url) => `  sign-in  ${url}`),
        dim(
          'Ctrl-C stops it. The controller: quorate controller --idp <address>. Tickets, here: quorate invite <operator>',
        ),
      );
      return await Promise.race([stopped, rekeyed.promise]);
    } finally {
      await http?.close();
    }
  });
  return isRekeyed === true;
}

async function serveSignIn(
  node: IdpNode,
  { http, httpTrustedProxy, signIn }: Options,
  { folder, out }: { folder: ProjectFolder; out: Context['out'] },
): Promise<{ origin: string; close(): Promise<void> } | undefined> {
  if (http === undefined || signIn === undefined) return undefined;
  const { openSignIn } = await import('../../http/sign-in/open.ts');
  const { signInLimits } = await import('../../http/sign-in/limits.ts');
  const { listenHttp } = await import('../../http/listen.ts');
  const { namesIn } = await import('../../http/addresses.ts');
  const { errorPageWith } = await import('../../http/kit/layout.ts');
  const people = await openSignIn({
    path: signIn,
    members: node.members,
    charter: () => node.members.charter(),
    issuer: { signer: folder.idp.signer, charter: () => node.members.charter() },
    checkOwn: checkOwnFile,
    onError: ({ message }) => out.note(message),
  });
  const server = await listenHttp({
    ...http,
    app: people.app,
    names: namesIn([people.origin]),
    limits: { bodyBytesMax: signInLimits.bodyBytesMax },
    errorPage: errorPageWith({ href: '/sign-in', text: 'Sign in' }),
    proxies: trustedProxies(httpTrustedProxy),
    onClose: people.close,
  });
  return { origin: people.origin, close: server.close };
}
