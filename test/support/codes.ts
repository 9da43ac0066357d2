import { expect } from 'vitest';

/** The code a promise is rejected with. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    expect(error).toHaveProperty('code');
    return (error as { code: string }).code;
  }
  return 'none';
}
