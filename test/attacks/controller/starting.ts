import { standIn } from '../../../simulations/keys.ts';
import type { Controller } from '../../../src/controller/machine/machine.ts';
import { RevocationBook } from '../../../src/protocol/sessions/revocation-book.ts';
import { Bench } from '../../controller/machine/bench.ts';
import { floor, type Make, Start as StartOfCopy } from '../../protocol/sessions/start-desk.ts';

export { floor, type Holds as Shows, type Make, minute, settle } from '../../protocol/sessions/start-desk.ts';

/** A controller that starts from the first `events` of a journal and goes on, and members that show what the attacker likes. */
export class Start extends StartOfCopy {
  constructor(bench: Bench, events: number, make?: Make) {
    super(bench, events, {}, make);
    this.inquiry.take = async (event) => void this.copy.send(event);
    this.inquiry.revoke = async (revocation) => {
      this.copy.send({ kind: 'revoke', token: this.copy.token('revoke'), revocation });
    };
  }

  /** An honest trusted worker's. */
  kept = async (from: number): Promise<readonly string[]> => this.log.leaves(from, this.log.size);

  /** A book with all revocations of the project. */
  async book(): Promise<RevocationBook> {
    const { project } = this.bench.paper;
    const book = await RevocationBook.open(project, standIn.verifier);
    const { charter, revocations } = this.bench.controller.state;
    await book.learn({
      charters: charter === null ? [] : [charter.raw],
      revocations: revocations.map(({ revocation }) => revocation.raw),
    });
    return book;
  }

  protected override async begin(): Promise<unknown> {
    const event = await this.inquiry.run(await this.bench.paper.charter({ floor }));
    if (event !== undefined) this.copy.send(event);
    await this.copy.start({ floor });
    this.inquiry.open();
    return 'started';
  }

  get state(): Controller['state'] {
    return this.copy.controller.state;
  }
}

/** A project of a trusted worker, `ada`, `bob`, and what `after` the copy comes to. */
export async function project(
  after: (bench: Bench) => Promise<void> = async () => {},
  make?: Make,
): Promise<Start> {
  const bench = new Bench();
  await bench.start({ floor });
  await bench.members('trusted', 'ada', 'bob');
  const { length } = bench.journal;
  await after(bench);
  const start = new Start(bench, length, make);
  await start.after(0);
  return start;
}
