import { dirname } from 'node:path';
import { InvalidArgumentError } from 'commander';
import type { NodePorts } from '../../node/kernel/open-node.ts';
import { checkOwnFile } from '../../owner/own-folder.ts';
import { openProject } from '../../owner/project.ts';
import type { ProjectFolder } from '../../owner/project-folder.ts';
import { version } from '../../program.ts';
import { QuorateError } from '../../protocol/base/errors.ts';
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
import {
  addresses,
  hostPort,
  secondsOf,
  webAddresses,
  wholeNumber,
  wholeNumberFrom,
  witnessUrls,
} from '../../terminal/values.ts';
import { controllerLimits } from '../machine/limits.ts';
import type { ControllerNode, ControllerOptions } from '../node/node.ts';
import { addControllerVerbs } from './controller-verbs.ts';

interface Options extends DaemonOptions {
  listen?: string[];
  announce?: string[];
  bootstrap?: string[];
  idp?: string[];
  slotWait?: number;
  absenceWait?: number;
  connections?: number;
  grants?: number;
  acceptClock?: boolean;
  alone?: boolean;
  witnessUrl?: ReadonlyMap<string, string>;
  http?: { host: string; port: number };
  httpAnnounce?: string[];
  httpTrustedProxy?: string[];
  signIn?: string;
  store?: string[];
  copies?: number;
}

/** A fixed port, since tickets contain it. */
const listenDefault = '/ip4/0.0.0.0/tcp/4710';

/** Fewer do not serve a project: bootstrap nodes, other members and whoever asks take some. */
const connectionsMin = 32;
/** Each takes a descriptor and about 100 KB. */
const connectionsMax = 8_000;

function absenceOf(text: string): number {
  const seconds = secondsOf(text);
  if (seconds * 1000 > controllerLimits.absenceMsMax) throw new InvalidArgumentError('expected at most 24h');
  return seconds;
}

export const controller: Define = (program, act) => {
  const command = defineCommand(program, 'controller', {
    summary: 'hand out the work of a project',
    description:
      'Runs the controller of the project in this repository: it admits operators, hands out work, keeps artifacts and publishes verdicts. It builds nothing. Runs until Ctrl-C; what it knows is on disk.',
    examples: ['quorate controller', 'quorate controller --announce /dns4/ci.example.org/tcp/4710'],
  })
    .option('--listen <address>', `where to listen; repeatable (default: ${listenDefault})`, addresses)
    .option(
      '--announce <address>',
      'what to tell others instead: a name, a forwarded port; repeatable',
      addresses,
    )
    .option('--bootstrap <address>', 'first peer of the network; repeatable', addresses)
    .option(
      '--idp <address>',
      'where the identity provider runs, whose key is not here; repeatable',
      addresses,
    )
    .option(
      '--connections <n>',
      `connections at once, of workers and of those who ask, ${connectionsMin} to ${connectionsMax} (default: 2000)`,
      wholeNumberFrom(connectionsMin, connectionsMax),
    )
    .option(
      '--slot-wait <time>',
      'how long a round waits for operators to take its slots (default: 10m)',
      secondsOf,
    )
    .option(
      '--absence-wait <time>',
      'how long a round that has enough equal results waits while nobody is connected who could take its other slots; at most 24h (default: 10s)',
      absenceOf,
    )
    .option('--grants <time>', 'how long the grant of a member lasts, at most 24h (default: 24h)', secondsOf)
    .option('--witness-url <name=url>', 'where a witness is that the charter names; repeatable', witnessUrls)
    .option(
      '--alone',
      'start without asking the members what the log was: where the journal is an older copy, the log tells two stories and this key is void',
    )
    .option('--accept-clock', 'go on although the journal is later than now: the clock was wrong then')
    .option(
      '--http <host:port>',
      'serve pages for browsers, and offers, verdicts, bundles and artifacts by HTTP',
      hostPort,
    )
    .option(
      '--http-announce <url>',
      'what to tell workers instead: a proxy in front of it; repeatable',
      webAddresses,
    )
    .option('--http-trusted-proxy <address>', proxyHelp, proxyAddresses)
    .option('--sign-in <file>', 'let people sign in at the HTTP server, as this sign-in.toml says')
    .option(
      '--store <address>',
      'an artifact store that keeps what is published in place of this controller, /…/p2p/<id>; repeatable',
      addresses,
    )
    .option(
      '--copies <n>',
      'stores that have to keep an artifact before its verdict is out (default: 1)',
      wholeNumber,
    );
  addControllerVerbs(command, act);
  addDaemonOptions(command).action(act(run));
};

/** @throws `CLI_USAGE`. */
function storesOf({ store = [], copies = 1 }: Options): Pick<ControllerOptions, 'stores'> {
  const peers = store.flatMap((addr) => {
    const id = /\/p2p\/([^/]+)$/.exec(addr)?.[1];
    return id === undefined ? [] : [{ id, addrs: [addr] }];
  });
  if (peers.length < store.length)
    throw new QuorateError('CLI_USAGE', 'the address of a store ends in /p2p/ and its id', {
      hint: 'quorate store serve prints them.',
    });
  const all = [...Map.groupBy(peers, ({ id }) => id)].map(([id, same]) => ({
    id,
    addrs: same.flatMap(({ addrs }) => addrs),
  }));
  if (all.length > 0 && copies > all.length)
    throw new QuorateError(
      'CLI_USAGE',
      `--copies ${copies} takes as many stores, and there are ${all.length}`,
    );
  return all.length === 0 ? {} : { stores: { peers: all, copies } };
}

async function run({ cwd, out: given, signal }: Context, options: Options): Promise<Exit> {
  if (options.copies !== undefined && options.store === undefined)
    throw new QuorateError('CLI_USAGE', '--copies counts stores, and --store names none');
  if (options.httpAnnounce !== undefined && options.http === undefined)
    throw new QuorateError('CLI_USAGE', '--http-announce tells of a server that only --http starts');
  if (options.httpTrustedProxy !== undefined && options.http === undefined)
    throw new QuorateError('CLI_USAGE', '--http-trusted-proxy is about a server that only --http starts');
  if (options.signIn !== undefined && options.http === undefined)
    throw new QuorateError('CLI_USAGE', '--sign-in is for a server that only --http starts');
  const log = daemonLog(given, 'controller', options);
  const { out } = log;
  while (await runOnce({ cwd, signal }, log, options))
    out.say('The charter names other keys: going on with those.');
  out.say('Stopped. What it knows is on disk: quorate controller goes on from there.');
  return exits.done;
}

/** Until Ctrl-C, or (true) until the charter names other keys than those it runs with. */
async function runOnce(
  { cwd, signal }: Pick<Context, 'cwd' | 'signal'>,
  daemon: DaemonLog,
  options: Options,
): Promise<boolean> {
  const folder = await openProject(cwd);
  const { startController } = await import('../node/node.ts');
  const { servedSource } = await import('../../owner/served-source.ts');
  const rekeyed = Promise.withResolvers<true>();
  const drained = Promise.withResolvers<void>();
  const { out } = daemon;
  const start = (ports: NodePorts) =>
    startController({
      ...ports,
      folder,
      listen: options.listen ?? [listenDefault],
      announce: options.announce ?? [],
      bootstrap: options.bootstrap ?? [],
      idp: options.idp,
      connections: options.connections,
      absenceWaitMs: options.absenceWait && options.absenceWait * 1000,
      slotWaitMs: options.slotWait && options.slotWait * 1000,
      grantMs: options.grants && options.grants * 1000,
      witnessUrls: options.witnessUrl,
      ...storesOf(options),
      acceptClock: options.acceptClock ?? false,
      alone: options.alone ?? false,
      onRekeyed: () => rekeyed.resolve(true),
      onStop: drained.resolve,
    });
  const isRekeyed = await runNode({ log: daemon, options, signal }, start, async (node, stopped, monitor) => {
    const { bold, dim } = out.colours;
    const http = await serveFeed(node, options, { folder, out });
    try {
      const { urls = [] } = http ?? {};
      const [addresses, { id, project }] = [node.addresses(), node];
      // A note: what is played there may be damaged, or of another user.
      const played = await servedSource(dirname(folder.dir)).catch(() => undefined);
      if (played !== undefined)
        out.note(
          'quorate up runs in this repository too: quorate run and the like are about what it plays, unless --project names this one.',
        );
      out.value({ event: 'listening', id, project, addresses, ...(http && { http: urls }) });
      out.say(
        `Controller of ${bold(folder.name)}`,
        `  project  ${project}`,
        ...addresses.map((address) => `  address  ${address}`),
        ...urls.map((url) => `  http     ${url}`),
        ...(monitor === undefined ? [] : [`  metrics  ${monitor.url}/metrics`]),
        dim('Ctrl-C stops it. Tickets: quorate invite <operator>'),
      );
      return await Promise.race([stopped, drained.promise, rekeyed.promise]);
    } finally {
      await http?.close();
    }
  });
  return isRekeyed === true;
}

/** Serves pages and feed of a controller; undefined without `http`. */
export async function serveFeed(
  node: ControllerNode,
  {
    http,
    httpAnnounce,
    httpTrustedProxy,
    signIn,
  }: Pick<Options, 'http' | 'httpAnnounce' | 'httpTrustedProxy' | 'signIn'>,
  { folder, out }: { folder: ProjectFolder; out: Context['out'] },
): Promise<{ urls: string[]; close(): Promise<void> } | undefined> {
  if (http === undefined) return undefined;
  const { listenHttp } = await import('../../http/listen.ts');
  const { controllerApp } = await import('../page/controller-app.ts');
  const { namesIn, urlsOf } = await import('../../http/addresses.ts');
  const people =
    signIn === undefined
      ? undefined
      : await (await import('../../http/sign-in/open.ts')).openSignIn({
          path: signIn,
          members: node.members,
          charter: () => node.members.charter(),
          issuer: folder.holds.idp
            ? { signer: folder.idp.signer, charter: () => node.members.charter() }
            : undefined,
          checkOwn: checkOwnFile,
          onError: ({ message }) => out.note(message),
        });
  const reached = urlsOf(http.host, http.port, node.addresses());
  const names = namesIn([
    ...(httpAnnounce ?? []),
    ...reached,
    ...(people === undefined ? [] : [people.origin]),
  ]);
  const { errorPage } = await import('../../http/kit/layout.ts');
  const site = controllerApp({
    view: node.view,
    pages: node.pages,
    acknowledge: node.acknowledge,
    cancel: node.cancel,
    people,
    version: version(),
  });
  const proxies = trustedProxies(httpTrustedProxy);
  const server = await listenHttp({
    ...http,
    app: site.app,
    names,
    limits: site.limits,
    errorPage,
    proxies,
    onClose() {
      people?.close();
      site.close();
    },
  });
  const urls = httpAnnounce ?? urlsOf(server.host, server.port, node.addresses());
  node.tellFeed(urls);
  return { urls, close: server.close };
}
