import type { ChildProcess } from 'node:child_process';

/** Another process, asked one thing at a time. */
export class End {
  readonly #child: ChildProcess;

  constructor(child: ChildProcess) {
    this.#child = child;
  }

  ask<T>(command: string, ...args: unknown[]): Promise<T> {
    return new Promise((resolve, reject) => {
      const onExit = (code: number | null): void =>
        reject(new Error(`the other process ended (${code}) on ${command}`));
      this.#child.once('exit', onExit);
      this.#child.once('message', (answer: { ok: T } | { error: string }) => {
        this.#child.off('exit', onExit);
        if ('error' in answer) reject(new Error(answer.error));
        else resolve(answer.ok);
      });
      this.#child.send({ command, args });
    });
  }
}

/** In the other process: answers each command by name. */
export function answer(commands: Record<string, (...args: never[]) => unknown>): void {
  // The caller is gone.
  process.on('disconnect', () => process.exit());
  process.on('message', async ({ command, args }: { command: string; args: never[] }) => {
    try {
      process.send?.({ ok: await commands[command]?.(...args) });
    } catch (error) {
      process.send?.({ error: String(error instanceof Error ? error.stack : error) });
    }
  });
}
