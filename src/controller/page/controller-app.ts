import { type Context, Hono, type MiddlewareHandler } from 'hono';
import type { HttpEnv } from '../../http/env.ts';
import { feedApp } from '../../http/feed.ts';
import { badgeApp, badgeOfBranch } from '../../http/kit/badge.ts';
import { Live } from '../../http/kit/live.ts';
import type { ListenLimits } from '../../http/listen.ts';
import { openApiApp } from '../../http/openapi.ts';
import type { SignIn } from '../../http/sign-in/index.ts';
import { signInLimits } from '../../http/sign-in/limits.ts';
import { accountLink } from '../../http/sign-in/pages.ts';
import { verifyPageApp } from '../../http/verify-page/app.ts';
import { verifyPage } from '../../http/verify-page/page-file.ts';
import type { ControllerNode } from '../node/node.ts';
import { pageApp } from './page-app.ts';

interface ControllerSite extends Pick<ControllerNode, 'view' | 'pages' | 'acknowledge' | 'cancel'> {
  /** Undefined where nobody signs in. */
  people: SignIn | undefined;
  version: string;
}

/** HTTP routes of a controller: the feed, its pages, the page that verifies in a browser and, where people sign in, theirs. */
export function controllerApp({ view, pages, acknowledge, cancel, people, version }: ControllerSite): {
  app: Hono<HttpEnv>;
  limits: Partial<ListenLimits>;
  close(): void;
} {
  const app = new Hono<HttpEnv>();
  const live = new Live();
  if (people !== undefined) app.route('/', people.app);
  app.route('/', feedApp(view));
  app.route('/', verifyPageApp(verifyPage));
  const badge = (ref: string) => {
    const branch = pages.view.branch(ref);
    return branch && badgeOfBranch(branch);
  };
  app.route('/', badgeApp({ label: 'quorate', badge }));
  app.route(
    '/',
    openApiApp(version, () => app.routes),
  );
  const who =
    people === undefined
      ? {}
      : {
          sessionOf: people.session,
          acknowledge,
          cancel,
          account: (c: Context) => accountLink(people.session(c)),
        };
  // A request that changes state must carry the token of the form.
  for (const action of people === undefined ? [] : (['acknowledge', 'cancel'] as const))
    app.use(`/runs/:run/${action}`, people?.requireRole('publisher') as MiddlewareHandler);
  app.route('/', pageApp({ ...pages, live, version, verifyPath: '/verify', ...who }));
  return {
    app,
    limits: people === undefined ? {} : { bodyBytesMax: signInLimits.bodyBytesMax },
    close: () => live.close(),
  };
}
