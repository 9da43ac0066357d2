/**
 * The one limit of every wait of these tests, in milliseconds. It is there against hanging only, and long enough for a
 * machine on which each process is many times slower than alone; no test passes or fails by how long something takes.
 */
export const deadlineMs = 150_000;

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** The value of `promise`; fails after `ms`, with what it waited for. */
export async function within<T>(
  what: string | (() => string),
  promise: Promise<T>,
  ms = deadlineMs,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`waited ${ms} ms in vain for ${typeof what === 'string' ? what : what()}`));
    }, ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Looks every 50 ms until there is a value, never longer than `ms`; says what it waited for. */
export async function until<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
  ms = deadlineMs,
): Promise<T> {
  const end = Date.now() + ms;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > end) throw new Error(`waited ${ms} ms in vain for ${what}`);
    await sleep(50);
  }
}
