import type { Context } from 'hono';
import type { z } from 'zod';
import { QuorateError } from '../../protocol/base/errors.ts';
import { signInLimits } from './limits.ts';

/** The body of a request as JSON of a shape. @throws SIGN_IN_REQUEST */
export async function readJson<T>(c: Context, schema: z.ZodType<T>): Promise<T> {
  const refused = (why: string, cause?: unknown) =>
    new QuorateError('SIGN_IN_REQUEST', `the body is refused: ${why}`, { cause });
  // A page of another origin sends no JSON without being asked whether it may.
  if (!/^application\/json\b/i.test(c.req.header('content-type') ?? '')) throw refused('it is not JSON');
  const length = Number(c.req.header('content-length') ?? Number.NaN);
  if (!(length <= signInLimits.bodyBytesMax))
    throw refused(`it has at most ${signInLimits.bodyBytesMax} bytes, and says how many`);
  let value: unknown;
  try {
    value = await c.req.json();
  } catch (cause) {
    throw refused('it is not JSON', cause);
  }
  const { success, data, error } = schema.safeParse(value);
  if (success) return data;
  const [issue] = error.issues;
  throw refused(`${issue?.path.map(String).join('.') || 'its top'}: ${issue?.message ?? 'not valid'}`);
}
