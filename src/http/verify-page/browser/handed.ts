import { messageOf, QuorateError } from '../../../protocol/base/errors.ts';
import { limits } from '../../../protocol/base/limits.ts';
import { sizeText } from '../../../protocol/base/quantity.ts';
import { shortId } from '../../../protocol/base/text.ts';
import type { ReportLine } from '../../../protocol/trust/index.ts';

/** A run of the server that this page is from, as a link of it names it. */
export interface Handed {
  run: string;
  artifact: string;
}

/** Time in which some bytes come. */
const silentMsMax = 20_000;
/** Of an archive, around the bytes of its files. */
const aroundBytesMax = 256 * 1024 * 1024;

/** The run that a link to this page hands over; undefined for any other link. */
export function handedBy(fragment: URLSearchParams): Handed | undefined {
  const [run, artifact] = [fragment.get('run') ?? '', fragment.get('artifact') ?? ''];
  return /^[0-9a-f]{64}$/.test(run) && /^[a-z2-7]{50,100}$/.test(artifact) ? { run, artifact } : undefined;
}

export interface Fetched {
  bundle: File;
  /** Undefined where the server does not have it. */
  artifact: File | undefined;
  /** The artifact that the link names: the server may have sent another one, with its evidence. */
  about: string;
  line: ReportLine;
}

/** Gets bundle and artifact of a run from a server, which is not believed. @throws VERIFY_SERVER_UNREACHABLE */
export async function fetchHanded(
  { run, artifact }: Handed,
  { origin, project }: { origin: string; project: string },
  progress: (says: string) => void,
  signal: AbortSignal,
): Promise<Fetched> {
  const get = (path: string, what: string, bytesMax: number) =>
    blobOf(`${origin}${path}`, bytesMax, (bytes) => progress(`fetching ${what}: ${sizeText(bytes)}`), signal);
  const path = `/v1/${encodeURIComponent(project)}/bundle/${run}`;
  const bundle = await get(path, 'the bundle', limits.bundleBytesMax);
  if (bundle === undefined)
    throw unreachable(
      origin,
      'it has no bundle of this run in that project: another root key, or a run that is not over',
    );
  const archive = await get(
    `/ipfs/${artifact}?format=car`,
    'the artifact',
    limits.treeBytesMax + aroundBytesMax,
  );
  const had =
    archive === undefined
      ? `the bundle (${sizeText(bundle.size)}); it does not have the artifact, so that only the evidence is checked`
      : `the bundle (${sizeText(bundle.size)}) and the artifact (${sizeText(archive.size)})`;
  return {
    bundle: new File([bundle], `the bundle of run ${shortId(run)}`),
    artifact: archive && new File([archive], 'the artifact'),
    about: artifact,
    line: {
      kind: 'fact',
      label: 'fetched',
      says: `from ${origin}: ${had}. The proof does not trust this server.`,
    },
  };
}

/** The answer in a blob, which a browser may keep on its disk. */
async function blobOf(
  url: string,
  bytesMax: number,
  progress: (bytes: number) => void,
  signal: AbortSignal,
): Promise<Blob | undefined> {
  const silent = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const heard = () => {
    clearTimeout(timer);
    timer = setTimeout(() => silent.abort(new Error('it says nothing more')), silentMsMax);
  };
  let bytes = 0;
  const counted = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
    transform(chunk, passed) {
      heard();
      bytes += chunk.length;
      if (bytes > bytesMax) throw new Error(`it sends more than ${sizeText(bytesMax)}`);
      progress(bytes);
      passed.enqueue(chunk);
    },
  });
  try {
    heard();
    const answer = await fetch(url, {
      signal: AbortSignal.any([signal, silent.signal]),
      redirect: 'error',
      credentials: 'omit',
      referrerPolicy: 'no-referrer',
    });
    if (answer.status === 404) return undefined;
    if (!answer.ok || answer.body === null) throw new Error(`it answered ${answer.status}`);
    return await new Response(answer.body.pipeThrough(counted)).blob();
  } catch (cause) {
    signal.throwIfAborted();
    throw unreachable(url, messageOf(silent.signal.aborted ? silent.signal.reason : cause), cause);
  } finally {
    clearTimeout(timer);
  }
}

const unreachable = (where: string, why: string, cause?: unknown): QuorateError =>
  new QuorateError('VERIFY_SERVER_UNREACHABLE', `nothing came from ${where}: ${why}`, {
    hint: 'Choose the files yourself: quorate fetch --bundle-out writes them.',
    cause,
  });
