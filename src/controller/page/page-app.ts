import { createHash } from 'node:crypto';
import { type Context, Hono } from 'hono';
import { html } from 'hono/html';
import type { Account } from '../../http/accounts.ts';
import { namesIn } from '../../http/addresses.ts';
import type { HttpEnv } from '../../http/env.ts';
import { notFound } from '../../http/errors.ts';
import { errorPage, page, projectNav } from '../../http/kit/layout.ts';
import { Live } from '../../http/kit/live.ts';
import { type Html, runUrl } from '../../http/kit/parts.ts';
import { type HttpServer, listenHttp } from '../../http/listen.ts';
import { jobsPerToken } from '../../http/prices.ts';
import { staticApp } from '../../http/static-files.ts';
import { accountOf } from '../../protocol/account/index.ts';
import { type ListState, listStates } from '../machine/run-lists.ts';
import type { ProjectView, RunView } from '../node/project-view.ts';
import { addAlarmRoute, addCancelRoute, alarmPart, cancelPart } from './actions.ts';
import { failedBuilds } from './failed-builds.ts';
import { pageLimits } from './limits.ts';
import { addLogRoutes } from './log-routes.ts';
import { type PagePorts, publisherOf, sessionOfPublisher, sinceOf } from './ports.ts';
import { projectBody, projectParts, runsBody } from './project-page.ts';
import { type RunPageParts, runBody, runParts } from './run-page.ts';
import { testReportOf } from './test-results.ts';
import { addTreeRoutes, filesOf } from './tree-routes.ts';

/** The pages of a project: the project, its runs, their logs and files. Read-only; a signed-in publisher sees more logs. */
export function pageApp(ports: PagePorts): Hono<HttpEnv> {
  const { view, live } = ports;
  const app = new Hono<HttpEnv>();
  app.route('/', staticApp());
  /** Jobs on the last page of the project: to make the next one, or its parts for who follows it, costs about as much. */
  let jobs = 0;
  const payForJobs = (c: Context<HttpEnv>) => c.env?.account?.pay(jobs / jobsPerToken);
  const branches = () => {
    const all = view.branches();
    jobs = all.reduce((sum, branch) => sum + branch.jobs.length, 0);
    return all;
  };
  app.get('/', (c) => {
    payForJobs(c);
    return shown(ports, c, { title: view.name, live: '/events', body: projectBody(view, branches()) });
  });
  app.get('/events', (c) => {
    payForJobs(c);
    const source = () => partsSource(async () => projectParts(view, branches()), pageLimits.projectLookMs);
    return live.follow(c, 'project', source, { since: sinceOf(c) });
  });
  app.get('/runs', (c) => {
    const { before, filter } = listAsked(c);
    const body = runsBody(view, filter, before);
    return shown(ports, c, { title: 'Runs', body });
  });
  app.get('/runs/:run', async (c) => {
    const run = runAsked(ports, c);
    const { run: id, name } = run.summary;
    if (c.req.param('run') !== id) return c.redirect(runUrl(id));
    const parts = await partsOf(ports, run, sessionOfPublisher(ports, c, run) !== undefined, c.env?.account);
    const changes = !run.over || run.pipeline.some((job) => !accountOf(job).over);
    const events = changes ? { live: `${runUrl(id)}/events` } : {};
    return shown(ports, c, {
      title: name,
      scripts: ['diff.js'],
      ...events,
      body: html`${alarmPart(run, publisherOf(ports, c))}${runBody(parts)}${cancelPart(ports, run, publisherOf(ports, c))}`,
    });
  });
  app.get('/runs/:run/events', async (c) => {
    const asked = runAsked(ports, c);
    // The first parts have it: it is paid for here, and kept.
    await partsOfTrees(ports, asked, c.env?.account);
    const { run: id } = asked.summary;
    const publisher = sessionOfPublisher(ports, c, asked);
    const all = publisher !== undefined;
    const source = () =>
      partsSource(
        async () => runParts(await partsOf(ports, view.run(id), all)),
        pageLimits.runLookMs,
        () => hashOf(view.version(id) ?? ''),
      );
    return live.follow(c, `run ${id} ${all}`, source, { since: sinceOf(c), until: publisher?.ended });
  });
  addAlarmRoute(app, ports);
  addCancelRoute(app, ports);
  addLogRoutes(app, ports, {
    pageText: (c, parts) => pageText(ports, c, parts),
    runAsked: (c) => runAsked(ports, c),
  });
  addTreeRoutes(app, ports.trees, ports.version ?? '');
  return app;
}

interface Shown {
  title: string;
  live?: string;
  scripts?: readonly string[];
  wide?: boolean;
  body: Html;
}

function pageText({ view, account, verifyPath }: PagePorts, c: Context<HttpEnv>, shown: Shown) {
  const nav = projectNav(verifyPath, { path: c.req.path });
  return String(page({ ...shown, project: view.name, nav, account: account?.(c) }));
}

function shown(ports: PagePorts, c: Context<HttpEnv>, parts: Shown): Response {
  return c.html(pageText(ports, c, parts), 200, { 'cache-control': 'no-store' });
}

function runAsked({ view }: PagePorts, c: Context<HttpEnv>): RunView {
  const which = c.req.param('run') ?? '';
  if (!/^[a-z0-9]{8,120}$/.test(which)) throw notFound('no such run');
  return view.run(which);
}

function listAsked(c: Context<HttpEnv>): {
  before: number | undefined;
  filter: { ref?: string; name?: string; listState?: ListState };
} {
  const { ref = '', job = '', state = '', before = '' } = c.req.query();
  const listState = listStates.find((one) => one === state);
  if (state !== '' && listState === undefined) throw notFound('no such state');
  return {
    before: /^\d{1,9}$/.test(before) ? Number(before) : undefined,
    filter: {
      ...(ref !== '' && { ref: ref.slice(0, 300) }),
      ...(job !== '' && { name: job.slice(0, 64) }),
      ...(listState !== undefined && { listState }),
    },
  };
}

async function partsOf(
  ports: PagePorts,
  run: RunView,
  all: boolean,
  account?: Account,
): Promise<RunPageParts> {
  const { view, logs, trees, verifyPath } = ports;
  const { builds, sealed } = logs?.of(run.summary.run, all) ?? { builds: [], sealed: false };
  // Together: one that nobody waits for when another fails would end the process.
  const [failures, ofTrees] = await Promise.all([
    logs === undefined ? [] : failedBuilds(logs, run, builds),
    partsOfTrees(ports, run, account),
  ]);
  return {
    run,
    project: view.project,
    bootstrap: view.bootstrap(),
    logs: builds,
    sealed,
    verifyPath,
    failures,
    ...ofTrees,
    hasBytes: trees !== undefined,
  };
}

/** Made once, and paid for by who asks first. */
async function partsOfTrees(
  { trees }: PagePorts,
  { summary: { artifact, reports } }: RunView,
  account: Account | undefined,
): Promise<Pick<RunPageParts, 'tests' | 'files'>> {
  const tree = artifact ?? reports;
  const [tests, files] = await Promise.all([
    testReportOf(trees, reports, account),
    trees === undefined || tree === undefined ? undefined : filesOf(trees, tree, account),
  ]);
  return { tests, files };
}

const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 16);

/** Renders parts of a page, and sends them where they are others than before; `version` saves the rendering. */
function partsSource(render: () => Promise<Html>, everyMs: number, version?: () => string) {
  let last: { id: string; data: string } | undefined;
  return {
    everyMs,
    async next(id: string) {
      const current = version?.();
      if (current === undefined || last?.id !== current) {
        // Fewer lines are fewer bytes in an event.
        const data = String(await render()).replaceAll('\n', ' ');
        last = { id: current ?? hashOf(data), data };
      }
      return last.id === id ? undefined : { name: 'parts', ...last };
    },
  };
}

/** Serves pages of a view, without logs and bytes. `urls`: further addresses of it. @throws `HTTP_LISTEN_FAILED`. */
export async function servePages(options: {
  host: string;
  port: number;
  view: ProjectView;
  urls: readonly string[];
}): Promise<HttpServer> {
  const { host, port, view, urls } = options;
  const live = new Live();
  const app = pageApp({ view, live });
  const server = await listenHttp({ host, port, app, names: namesIn(urls), errorPage });
  return {
    ...server,
    async close() {
      live.close();
      await server.close();
    },
  };
}
