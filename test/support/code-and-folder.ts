import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** A folder that is gone when the test is over. */
export async function folder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'quorate-runtime-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** The code of the error a call ends with; undefined when it ends well. */
export async function codeOf(act: () => unknown): Promise<string | undefined> {
  try {
    await act();
    return undefined;
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}
