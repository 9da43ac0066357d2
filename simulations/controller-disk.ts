import type { ControllerEvent } from '../src/controller/machine/events.ts';
import type { Charter, Verified } from '../src/protocol/documents/index.ts';
import type { JournalRow } from '../src/protocol/sessions/loop.ts';
import type { StoredRevocations } from '../src/protocol/sessions/revocation-book.ts';
import type { RestoreKind } from './mishaps.ts';

interface Files {
  /** By run, job and artifact. */
  readonly bundles: ReadonlyMap<string, string>;
  readonly checkpoint: string | undefined;
  readonly evidence: StoredRevocations | undefined;
  /** The charter as it lies in the project's folder, where it is not the first one. */
  readonly folder: Verified<Charter> | undefined;
}

export interface DiskCopy extends Files {
  readonly n: number;
  readonly rows: readonly JournalRow<ControllerEvent>[];
  /** Ids of the keys that signed then. */
  readonly keys: string;
}

/** Files of a controller beside its journal, as they survive its crashes. */
export class ControllerDisk implements Files {
  readonly bundles = new Map<string, string>();
  /** Logs of builds, by lease. No copy has them. */
  readonly logs = new Map<string, string>();
  checkpoint: string | undefined;
  evidence: StoredRevocations | undefined;
  folder: Verified<Charter> | undefined;
  #copies = 0;
  /** The copy that was put back last, and the number of those that there were then. */
  #restored = { n: 0, of: 0 };

  /** The bundles, for those who are asked for them. */
  get stored() {
    return {
      get: async (which: string) => this.bundles.get(which),
      size: async (which: string) => this.bundles.get(which)?.length,
      drop: async (which: string) => void this.bundles.delete(which),
    };
  }

  copy(rows: DiskCopy['rows'], keys: string): DiskCopy {
    const { checkpoint, evidence, folder } = this;
    const bundles = new Map(this.bundles);
    return { n: ++this.#copies, rows, keys, bundles, checkpoint, evidence, folder };
  }

  /** False for a copy of a life that a restore ended: its log is another one. */
  isOfStory({ n }: DiskCopy): boolean {
    return n <= this.#restored.n || n > this.#restored.of;
  }

  /** Files beside the journal, which is that of the copy, or lost. Returns the copy that the bundles are of; null where they are not. */
  restore(copy: DiskCopy, kind: RestoreKind, keys: string): number | null {
    this.#restored = { n: kind === 'journal lost' ? 0 : copy.n, of: this.#copies };
    if (kind === 'journal lost' || kind === 'journal in place') return null;
    this.bundles.clear();
    const isAlone = kind === 'journal alone';
    this.checkpoint = isAlone || kind === 'no checkpoint' ? undefined : copy.checkpoint;
    this.evidence = isAlone ? undefined : copy.evidence;
    if (!isAlone && copy.keys === keys) this.folder = copy.folder;
    if (isAlone || kind === 'no bundles') return null;
    for (const [which, text] of copy.bundles) this.bundles.set(which, text);
    return copy.n;
  }
}
