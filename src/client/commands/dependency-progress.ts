import type { FetchProgress } from '../../dependencies/index.ts';
import { bytes } from '../../terminal/format.ts';
import type { Board, Output } from '../../terminal/output.ts';

/** The row of dependencies that are fetched, erased at its end; elsewhere than on a terminal one line at the end. */
export class DependenciesShown {
  readonly #out: Output;
  readonly #board: Board;
  #last: FetchProgress | undefined;

  constructor(out: Output) {
    this.#out = out;
    this.#board = out.board();
  }

  readonly progress = (progress: FetchProgress): void => {
    this.#last = progress;
    if (!this.#board.live) return;
    const changing = () => textOf(this.#last ?? progress);
    this.#board.set('dependencies', { text: textOf(progress), changing });
  };

  /** Says what is there for the build, where there is something. */
  end(): void {
    const last = this.#last;
    this.#last = undefined;
    this.#board.erase();
    if (last === undefined || last.files < last.filesTotal) return;
    this.#out.say(textOf(last));
    this.#out.value({ event: 'dependencies', files: last.files, fetchedBytes: last.bytes });
  }
}

function textOf({ files, filesTotal, bytes: received }: FetchProgress): string {
  const count = files < filesTotal ? `${files} of ${filesTotal}` : files;
  const what = filesTotal === 1 ? 'dependency' : 'dependencies';
  const isKept = received === 0 && files === filesTotal;
  return `${count} ${what}, ${isKept ? 'kept from an earlier build' : `${bytes(received)} fetched`}`;
}
