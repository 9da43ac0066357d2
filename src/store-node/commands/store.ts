import { resolve } from 'node:path';
import { InvalidArgumentError } from 'commander';
import type { NodePorts } from '../../node/kernel/open-node.ts';
import { findProject } from '../../owner/project.ts';
import { whereFrom } from '../../owner/where-from.ts';
import { version } from '../../program.ts';
import { QuorateError } from '../../protocol/base/errors.ts';
import { globFault } from '../../protocol/base/pattern.ts';
import { sizeText } from '../../protocol/base/quantity.ts';
import { units } from '../../protocol/base/units.ts';
import { type Context, type Define, defineCommand } from '../../terminal/context.ts';
import {
  addDaemonOptions,
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
  amountOf,
  hostPort,
  webAddresses,
  wholeNumber,
  wholeNumberFrom,
} from '../../terminal/values.ts';
import type { RetentionRule } from '../machine/plan.ts';
import type { StoreNode } from '../node/node.ts';

/** `refs/tags/*=forever`, `agreed:**=7d`, where `**` alone stands for whatever was built; repeatable. The first that fits counts. */
function keepRules(text: string, before: RetentionRule[] | undefined): RetentionRule[] {
  const [, level, ref, age = ''] = /^(?:(agreed|trusted):)?([^=\s]{1,300})=(\S+)$/.exec(text) ?? [];
  const seconds = age === 'forever' ? null : units.time.parse(age);
  if (ref === undefined || seconds === undefined)
    throw new InvalidArgumentError(
      'Give a pattern of refs and a time or "forever": refs/tags/*=forever, agreed:**=7d',
    );
  const fault = globFault(ref);
  if (fault !== undefined) throw new InvalidArgumentError(`${fault}: ${ref}`);
  // Commits before 0.1 read it as all refs: as a pattern it would drop the trees of branches with a "/".
  if (ref === '*' || ref === 'refs/*')
    throw new InvalidArgumentError(
      `"*" stops at "/": ** stands for whatever was built, refs/heads/** for all branches`,
    );
  const rule: RetentionRule = {
    ...(ref !== '**' && { ref }),
    ...(level !== undefined && { level: level === 'agreed' ? 'agreed' : 'trusted' }),
    ageMs: seconds === null ? null : seconds * 1000,
  };
  return [...(before ?? []), rule];
}

interface ServeOptions extends DaemonOptions {
  project?: string;
  bootstrap?: string[];
  listen?: string[];
  announce?: string[];
  http?: { host: string; port: number };
  httpAnnounce?: string[];
  httpTrustedProxy?: string[];
  quota?: number;
  keep?: RetentionRule[];
  latest?: number;
  connections?: number;
}

/** Beside a controller on the same host. */
const listenDefault = '/ip4/0.0.0.0/tcp/4720';
const latestDefault = 1;
const dayMs = 24 * 3600 * 1000;
/** Retention without `--keep`: agreed artifacts for 7 days, since the trusted worker co-signs within minutes or not at all; trusted ones for ever. */
const rulesDefault: RetentionRule[] = [{ level: 'agreed', ageMs: 7 * dayMs }, { ageMs: null }];
const quotaBytesDefault = 50 * 1024 ** 3;
/** A store of less is full at once: one log may have as much. */
const quotaBytesMin = 16 * 1024 ** 2;
const connectionsMin = 16;
const connectionsMax = 8_000;

export const store: Define = (program, act) => {
  const group = defineCommand(program, 'store', {
    summary: 'keep artifacts and serve them',
    description:
      'An artifact store follows the verdicts of a project and keeps what they prove, for whoever fetches. It needs no key and no ticket of the project, and nobody has to believe it: who fetches checks every byte and the evidence.',
    examples: ['quorate store serve --project 12D3KooW… --bootstrap /dns4/…'],
  });
  const served = defineCommand(group, 'serve', {
    summary: 'keep what the verdicts of a project prove, until Ctrl-C',
    description:
      "Fetches the evidence of each verdict, checks it against the project's root key, then fetches and pins what it is about, and serves it to peers, with --http to web clients as well. What it keeps is in the home folder.",
    examples: [
      'quorate store serve',
      'quorate store serve --home /srv/store --project 12D3KooW… --bootstrap /dns4/… --quota 200GiB --http 0.0.0.0:8081',
      'quorate store serve --keep "refs/tags/*=forever" --keep "refs/heads/main=90d" --keep "**=7d"',
    ],
  })
    .option('--project <id>', "the project's root key (default: that of the project this machine knows)")
    .option('--bootstrap <address>', 'first peer of the network; repeatable', addresses)
    .option('--listen <address>', `where to listen; repeatable (default: ${listenDefault})`, addresses)
    .option(
      '--announce <address>',
      'what to tell others instead: a name, a forwarded port; repeatable',
      addresses,
    )
    .option('--http <host:port>', 'serve verdicts, bundles and artifacts by HTTP as well', hostPort)
    .option(
      '--http-announce <url>',
      'what the HTTP server is called by others: a proxy in front of it; repeatable',
      webAddresses,
    )
    .option('--http-trusted-proxy <address>', proxyHelp, proxyAddresses)
    .option(
      '--quota <size>',
      `bytes of all that is kept (default: ${units.size.text(quotaBytesDefault)})`,
      amountOf(units.size, { min: quotaBytesMin }),
    )
    .option(
      '--keep <ref=time>',
      'how long, by pattern of refs: refs/tags/*=forever, agreed:**=7d; repeatable, the first that fits counts (default: agreed:**=7d, **=forever)',
      keepRules,
    )
    .option(
      '--latest <n>',
      `newest artifacts of each job and ref that age does not remove (default: ${latestDefault})`,
      wholeNumber,
    )
    .option(
      '--connections <n>',
      `connections at once, ${connectionsMin} to ${connectionsMax} (default: 500)`,
      wholeNumberFrom(connectionsMin, connectionsMax),
    );
  addDaemonOptions(served).action(act(serve));
  defineCommand(group, 'forget', {
    summary: 'keep a damaged tree no longer',
    description:
      'Drops all pins of a tree, so that what is left of it is removed at the next sweep: a tree that is to be kept and is damaged is fetched again from peers, and nothing is removed from the store before; if nobody has it any more, it can be given up. Its node must not run. In a project it is the store of the controller, elsewhere that of the home folder.',
    examples: ['quorate store forget bafybei…', 'quorate store forget bafybei… --worker'],
  })
    .argument('<cid>', 'the tree, as the event "damaged" names it')
    .option('--worker', 'the store of the home folder, in a project too')
    .action(act(forget));
};

async function serve(context: Context, options: ServeOptions): Promise<Exit> {
  const daemon = daemonLog(context.out, 'store', options);
  const { out } = daemon;
  const { home, signal } = context;
  if (options.httpAnnounce !== undefined && options.http === undefined)
    throw new QuorateError('CLI_USAGE', '--http-announce tells of a server that only --http starts');
  if (options.httpTrustedProxy !== undefined && options.http === undefined)
    throw new QuorateError('CLI_USAGE', '--http-trusted-proxy is about a server that only --http starts');
  const where = await whereFrom(context, options);
  const [{ startStore }, { openHome }, { peersOf }] = await Promise.all([
    import('../node/node.ts'),
    import('../../node/membership/home.ts'),
    import('../../node/artifacts/moved-controllers.ts'),
  ]);
  const quotaBytes = options.quota ?? quotaBytesDefault;
  const start = (ports: NodePorts) =>
    startStore({
      ...ports,
      home: openHome(home),
      project: where.project,
      listen: options.listen ?? [listenDefault],
      announce: options.announce ?? [],
      bootstrap: where.bootstrap,
      // An address may be that of a controller; one that is not answers no question.
      controllers: [...(where.controllers ?? []), ...peersOf(where.bootstrap)],
      retention: { quotaBytes, rules: options.keep ?? rulesDefault, latest: options.latest ?? latestDefault },
      connections: options.connections,
    });
  await runNode({ log: daemon, options, signal }, start, async (node, stopped) => {
    const http = await serveGateway(node, options);
    try {
      const { urls = [] } = http ?? {};
      const { id, project, kept } = node;
      const addrs = node.addresses();
      const event = { event: 'listening', id, project, addresses: addrs, quotaBytes, ...kept };
      out.value({ ...event, http: http?.urls });
      out.say(
        `Artifact store of project ${project}`,
        ...addrs.map((address) => `  address  ${address}`),
        ...urls.map((url) => `  http     ${url}`),
        `  kept     ${kept.trees} artifacts, ${sizeText(kept.bytes)} of ${sizeText(quotaBytes)}`,
        out.colours.dim('Ctrl-C stops it. What it keeps is on disk.'),
      );
      await stopped;
    } finally {
      await http?.close();
    }
  });
  out.say('Stopped. What it keeps is on disk: quorate store serve goes on from there.');
  return exits.done;
}

async function serveGateway(
  node: StoreNode,
  { http, httpAnnounce, httpTrustedProxy }: ServeOptions,
): Promise<{ urls: string[]; close(): Promise<void> } | undefined> {
  if (http === undefined) return undefined;
  const { listenHttp } = await import('../../http/listen.ts');
  const { feedApp } = await import('../../http/feed.ts');
  const { errorPageWith } = await import('../../http/kit/layout.ts');
  const { openApiApp } = await import('../../http/openapi.ts');
  const { staticApp } = await import('../../http/static-files.ts');
  const { namesIn, urlsOf } = await import('../../http/addresses.ts');
  const reached = urlsOf(http.host, http.port, node.addresses());
  const names = namesIn([...(httpAnnounce ?? []), ...reached]);
  const proxies = trustedProxies(httpTrustedProxy);
  // With what its pages of errors are made of.
  const app = feedApp(node.view).route('/', staticApp());
  app.route(
    '/',
    openApiApp(version(), () => app.routes),
  );
  const server = await listenHttp({ ...http, app, names, errorPage: errorPageWith(undefined), proxies });
  return {
    urls: httpAnnounce ?? urlsOf(server.host, server.port, node.addresses()),
    close: () => server.close(),
  };
}

async function forget(
  { cwd, home, out }: Context,
  root: string,
  options: { worker?: boolean },
): Promise<Exit> {
  const { cid } = await import('../../protocol/documents/base.ts');
  if (!cid.safeParse(root).success)
    throw new QuorateError('CLI_USAGE', `"${root.slice(0, 120)}" is not the CID of a tree`, {
      hint: 'The event "damaged" names it, and so does quorate worker status.',
    });
  const project = options.worker === true ? undefined : await findProject(cwd);
  const dir = resolve(project === undefined ? home : resolve(project, '.quorate'), 'store');
  const { forgetTree } = await import('../../node/artifacts/forget-tree.ts');
  const names = await forgetTree(dir, root);
  out.value({ forgotten: root, store: dir, names });
  out.say(`${root} is kept no longer in ${dir}: it was pinned as ${names.join(', ')}.`);
  return exits.done;
}
