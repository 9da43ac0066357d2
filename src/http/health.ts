import { Hono } from 'hono';
import type { HealthCheck, HealthChecks } from '../node/health.ts';
import { messageOf } from '../protocol/base/errors.ts';
import type { HttpEnv } from './env.ts';
import { httpLimits } from './limits.ts';

interface Checked {
  name: string;
  ok: boolean;
  says?: string;
}

/**
 * `GET /healthz`: whether the process lives; `GET /readyz`: whether it does its work. 200, or 503 with the checks that failed and
 * why: `{status, checks: [{name, ok, says?}]}`.
 */
export function healthApp({
  live,
  ready,
}: Readonly<Record<keyof HealthChecks, () => readonly HealthCheck[]>>): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>();
  const answer = async (checks: readonly HealthCheck[]): Promise<Response> => {
    const checked = await Promise.all(checks.map(checkedOf));
    const ok = checked.every((check) => check.ok);
    return Response.json(
      { status: ok ? 'ok' : 'failing', checks: checked },
      { status: ok ? 200 : 503, headers: { 'cache-control': 'no-store' } },
    );
  };
  app.get('/healthz', () => answer(live()));
  app.get('/readyz', () => answer([...live(), ...ready()]));
  return app;
}

/** A check that does not answer in time has failed. */
async function checkedOf({ name, trouble }: HealthCheck): Promise<Checked> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(resolve, httpLimits.checkMsMax, 'it did not answer in time');
  });
  const says = await Promise.race([Promise.resolve().then(trouble).catch(messageOf), late]);
  clearTimeout(timer);
  return { name, ok: says === undefined, ...(says === undefined ? {} : { says }) };
}
