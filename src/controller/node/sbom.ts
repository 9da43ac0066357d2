import { askThread, ThreadOver, threadFile } from '../../dependencies/thread/ask.ts';
import { carOfIndex } from '../../node/artifacts/dependency-index.ts';
import { QuorateError } from '../../protocol/base/errors.ts';
import type { StoredBundles } from '../../protocol/sessions/bundle-exchange.ts';
import type { Revoked } from '../../protocol/trust/revocations.ts';
import type { Store } from '../../store/index.ts';
import { controllerNodeLimits } from './limits.ts';
import type { SbomAnswer, SbomQuestion } from './sbom-thread.ts';

const { sbomSecondsMax, sbomMemoryMiB } = controllerNodeLimits;
const file = threadFile(import.meta.url, 'sbom-thread');

export interface SbomPorts {
  project: string;
  bundles: StoredBundles;
  store: Pick<Store, 'blocks'>;
  revocations(): readonly Revoked[];
  level(artifact: string): string;
  /** For making one. Tests have other ones. */
  seconds?: number;
}

export type Sboms = ReturnType<typeof openSboms>;

/** Lists of what artifacts were made from. */
export function openSboms(ports: SbomPorts) {
  const { bundles, revocations, level } = ports;
  /** By artifact and evidence; the oldest first. */
  const kept = new Map<string, Promise<string | undefined>>();
  let chars = 0;
  const drop = (key: string) => {
    const dropped = kept.get(key);
    if (!kept.delete(key)) return;
    dropped?.then(
      (text) => {
        chars -= text?.length ?? 0;
      },
      () => {},
    );
  };
  return {
    /**
     * CycloneDX in JSON, of the stored bundle and its index of dependencies, kept while the evidence is the same; `before` may refuse to make
     * it. Undefined where there is no bundle. @throws as `madeOf`, `EXPORT_TOO_LARGE`, `STORE_…`, `BUNDLE_DAMAGED`.
     */
    async get(artifact: string, version: string, before: (bundleBytes: number) => void) {
      const bytes = await bundles.size(artifact);
      const key = `${artifact} ${level(artifact)} ${bytes} ${revocations().length}`;
      const known = kept.get(key);
      if (known !== undefined) {
        kept.delete(key);
        kept.set(key, known);
        return known;
      }
      before(bytes ?? 0);
      const making = make(artifact, version, ports);
      kept.set(key, making);
      const [oldest] = kept.keys();
      if (kept.size > controllerNodeLimits.sbomsKeptMax && oldest !== undefined) drop(oldest);
      making.then(
        (text) => {
          if (text === undefined) return drop(key);
          chars += text.length;
          for (const old of kept.keys()) {
            if (chars <= controllerNodeLimits.sbomCharsMax || old === key) break;
            drop(old);
          }
        },
        // Too large stays too large; other failures may pass.
        (error) => (error instanceof QuorateError && error.code === 'EXPORT_TOO_LARGE' ? {} : drop(key)),
      );
      return making;
    },
  };
}

async function make(artifact: string, version: string, ports: SbomPorts): Promise<string | undefined> {
  const { project, bundles, store } = ports;
  const bundle = await bundles.get(artifact);
  if (bundle === undefined) return undefined;
  const { seconds = sbomSecondsMax } = ports;
  const bounds = { signal: new AbortController().signal, seconds, memoryMiB: sbomMemoryMiB };
  const question: SbomQuestion = { bundle, project, version, revocations: ports.revocations() };
  try {
    for (let index: Uint8Array | undefined; ; ) {
      const answer = await askThread<SbomAnswer>(file, { ...question, index }, bounds);
      if ('text' in answer) return answer.text;
      index = await carOfIndex(store, answer.needs);
    }
  } catch (error) {
    if (!(error instanceof ThreadOver)) throw error;
    throw new QuorateError(
      'EXPORT_TOO_LARGE',
      `to list what ${artifact} was made from takes ${error.message}`,
      { hint: 'Fetch its bundle and list it yourself: quorate sbom <artifact>', cause: error },
    );
  }
}
