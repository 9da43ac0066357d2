import type { Context } from 'hono';

/** The fields of a form; none where the body is not in the format that its content type names. */
export async function formFields(c: Context): Promise<Record<string, unknown>> {
  try {
    return await c.req.parseBody();
  } catch (error) {
    // `fetch` throws a TypeError for a body that it cannot parse. That the body is too large, or broke off, is said otherwise.
    if (error instanceof TypeError) return {};
    throw error;
  }
}
