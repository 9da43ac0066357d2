import { Hono } from 'hono';
import type { PublicView } from '../runtime/controller/public-view.ts';
import type { HttpEnv } from './env.ts';
import { feedApp } from './feed.ts';
import type { ListenLimits } from './listen.ts';
import type { SignIn } from './sign-in/index.ts';
import { signInLimits } from './sign-in/limits.ts';

/** All that a controller serves by HTTP: the feed and, where people sign in, that. */
export function controllerApp({ view, people }: { view: PublicView; people: SignIn | undefined }): {
  app: Hono<HttpEnv>;
  limits: Partial<ListenLimits>;
} {
  const app = new Hono<HttpEnv>();
  if (people !== undefined) app.route('/', people.app);
  app.route('/', feedApp(view));
  return { app, limits: people === undefined ? {} : { bodyBytesMax: signInLimits.bodyBytesMax } };
}
