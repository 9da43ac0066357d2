import { writeSync } from 'node:fs';
import type { Reporter, SerializedError, TestCase, TestModule } from 'vitest/node';
import { type Said, wholeFile } from './cells.ts';

/** The port to the host, which guest.sh opens. */
const port = 3;
const MESSAGE_CHARACTERS_MAX = 6000;

/** Tells the host of each test when it has ended, so that a guest that is ended early has told of those before. */
export default class CellReporter implements Reporter {
  readonly #account = process.getuid?.() === 0 ? 'root' : 'user';

  onTestCaseResult(test: TestCase): void {
    const { state, errors } = test.result();
    const seconds = (test.diagnostic()?.duration ?? 0) / 1000;
    this.#say(test.module, test.fullName, state, seconds, errors);
  }

  onTestModuleEnd(module: TestModule): void {
    const errors = [
      ...module.errors(),
      ...[...module.children.allSuites()].flatMap((suite) => suite.errors()),
    ];
    if (errors.length > 0) this.#say(module, wholeFile, 'failed', 0, errors);
  }

  #say(
    { relativeModuleId: file }: TestModule,
    test: string,
    state: string,
    seconds: number,
    errors: readonly SerializedError[] = [],
  ): void {
    const message = errors
      .map(({ message: what, diff = '', stack = '' }) => `${what}\n${diff}\n${stack}`)
      .join('\n');
    const said: Said = {
      account: this.#account,
      file,
      test,
      state,
      seconds,
      ...(message !== '' && { message: message.slice(0, MESSAGE_CHARACTERS_MAX) }),
    };
    writeSync(port, `${JSON.stringify(said)}\n`);
  }
}
