import { readdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { whereFrom } from '../../owner/where-from.ts';
import { messageOf, QuorateError } from '../../protocol/base/errors.ts';
import { escapeLine } from '../../protocol/base/escape.ts';
import { type Context, type Define, defineCommand } from '../../terminal/context.ts';
import { type Exit, exits } from '../../terminal/exit-codes.ts';
import { counted } from '../../terminal/format.ts';
import { aborted } from '../../terminal/run-node.ts';
import { hostPort, webAddresses } from '../../terminal/values.ts';

interface Options {
  bundles: string;
  project?: string;
  http?: { host: string; port: number };
  httpAnnounce?: string[];
}

const httpDefault = { host: '127.0.0.1', port: 8080 };

export const page: Define = (program, act) => {
  defineCommand(program, 'page', {
    summary: 'serve pages of what bundles prove',
    description:
      "Serves the pages of a project from a folder of bundles alone, to read only. Each bundle is verified against the project's root key at the start; what proves nothing is named and left out. Runs until Ctrl-C, without a network.",
    examples: ['quorate page --bundles proofs --project 12D3KooW…'],
  })
    .requiredOption('--bundles <folder>', 'bundles, as fetch --bundle-out writes them')
    .option('--project <id>', "the project's root key (default: that of the project this machine knows)")
    .option('--http <host:port>', 'where to serve (default: 127.0.0.1:8080)', hostPort)
    .option('--http-announce <url>', 'a name that browsers may use; repeatable', webAddresses)
    .action(act(run));
};

async function run(context: Context, options: Options): Promise<Exit> {
  const { cwd, home, out, signal } = context;
  const { publicKeyOf } = await import('../../protocol/documents/index.ts');
  const { openRevocationBook } = await import('../../node/membership/revocation-file.ts');
  const { bundlesView } = await import('../node/bundles-view.ts');
  const { servePages } = await import('../page/page-app.ts');
  const { urlsOf } = await import('../../http/addresses.ts');
  const project = options.project ?? (await whereFrom(context, options)).project;
  publicKeyOf(project);
  const dir = resolve(cwd, options.bundles);
  const files = await readdir(dir).catch((cause: unknown) => {
    throw new QuorateError('CLI_FILE_UNREADABLE', `cannot read ${dir}: ${messageOf(cause)}`, {
      hint: 'Name a folder with bundles, as fetch --bundle-out writes them.',
      cause,
    });
  });
  const { revoked: revocations } = await openRevocationBook(home, project);
  const view = await bundlesView({
    dir,
    files,
    project,
    revocations,
    onRefused: (file, why) => out.note(`${escapeLine(file, 200)} is left out: ${escapeLine(why)}`),
  });
  const server = await servePages({
    ...(options.http ?? httpDefault),
    view,
    urls: options.httpAnnounce ?? [],
  });
  try {
    const urls = options.httpAnnounce ?? urlsOf(server.host, server.port, []);
    const runs = view.counts().all;
    out.value({ event: 'listening', project, http: urls, runs });
    if (runs === 0)
      out.note(`There is no bundle of this project in ${dir}: it takes files that fetch --bundle-out wrote.`);
    out.say(`Pages of ${counted(runs, 'run')}`, ...urls.map((url) => `  http     ${url}`));
    await aborted(signal);
    return exits.done;
  } finally {
    await server.close();
  }
}
