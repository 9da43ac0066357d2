import { QuorateError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import { Counts } from '../base/maps.ts';
import { type EventLoop, Slices } from '../base/slices.ts';
import { toUtf8 } from '../base/text.ts';
import { concat } from '../base/whole-bytes.ts';
import { meteredBounds } from '../wire/bounds.ts';
import { bundleDownSchema, bundleUpSchema, encodeMessage } from '../wire/messages.ts';
import { protocols } from '../wire/protocols.ts';
import { isStale } from './kept-streams.ts';
import { sessionLimits, sessionTimes } from './limits.ts';
import { answering, errorFrom, MessageStream } from './message-stream.ts';
import type { Channel, Dial, PeerAddress, ServedProtocol } from './ports.ts';

const { bundlesPerStreamMax, bundleBytesPerStream } = sessionLimits;
/** Bundles up to this size are sent whatever else is being sent. */
const smallBytes = 256 * 1024;
/** Characters of a bundle that are encoded at once. */
const pieceChars = 64 * 1024;

type Down = ReturnType<typeof bundleDownSchema.parse>;
type Up = ReturnType<typeof bundleUpSchema.parse>;

/** Stored bundles, by run, job or artifact. */
export interface StoredBundles {
  get(which: string): Promise<string | undefined>;
  /** In bytes; undefined where there is none. */
  size(which: string): Promise<number | undefined>;
}

/**
 * Serves bundles, which are public and prove themselves. A bundle is in memory while it is sent: large ones are refused beyond
 * `bytesMax`, of which guests have half together and those of one network an eighth.
 */
export function bundleServer(
  bundles: StoredBundles,
  bytesMax = sessionLimits.bundlesSentBytesMax,
  loop?: EventLoop,
): ServedProtocol {
  const begin = sendingUpTo(bytesMax);
  return {
    protocol: protocols.bundle,
    options: { ...meteredBounds('bundle'), maxSendBytes: limits.bundleBytesMax },
    async session(channel: Channel) {
      const stream = new MessageStream<Down, Up>(channel, bundleUpSchema, 'a bundle request');
      const { link } = channel;
      const guest = link?.rank === 'guest' ? link.network : undefined;
      const send = async (which: string): Promise<number> => {
        const bytes = (await bundles.size(which)) ?? 0;
        const end = begin(bytes, guest);
        try {
          const message = await messageOf(bundles, which, loop);
          await channel.send(message);
          return message.length;
        } finally {
          end();
        }
      };
      return answering(stream, async () => {
        let timeoutMs: number = sessionTimes.questionMs;
        let sent = 0;
        for (let count = 0; count < bundlesPerStreamMax && sent < bundleBytesPerStream; count += 1) {
          const asked = await stream.receive({ timeoutMs });
          if (asked === undefined) break;
          sent += await send(asked.which);
          timeoutMs = sessionLimits.nextConversationMs;
        }
      });
    },
  };
}

/** The text of a bundle and its message do not outlive this: a slow reader holds the bytes alone. */
async function messageOf(
  bundles: StoredBundles,
  which: string,
  loop: EventLoop | undefined,
): Promise<Uint8Array> {
  const bundle = await bundles.get(which);
  if (bundle === undefined)
    throw new QuorateError('BUNDLE_NOT_FOUND', `there is no bundle for ${which} here`);
  const empty: Down = { kind: 'bundle', bundle: '', addrs: [] };
  if (loop === undefined || bundle.length <= pieceChars) return encodeMessage({ ...empty, bundle });
  // The same bytes, in pieces: to encode 64 MiB at once takes half a second.
  const slices = new Slices(loop);
  const [head = '', tail = ''] = JSON.stringify(empty).split('""');
  const pieces = [toUtf8(`${head}"`)];
  for (let at = 0; at < bundle.length; ) {
    if (slices.isOver) await slices.next();
    const end = at + pieceChars;
    // No pair of surrogates is parted.
    const cut = /[\ud800-\udbff]/.test(bundle.charAt(end - 1)) ? end - 1 : end;
    pieces.push(toUtf8(JSON.stringify(bundle.slice(at, cut)).slice(1, -1)));
    at = cut;
  }
  pieces.push(toUtf8(`"${tail}`));
  return concat(pieces);
}

/**
 * Counts bytes of bundles that are being sent. The function that it returns is called before each, with the network of a guest, and returns
 * what is called at the end. @throws `BUNDLE_BUSY`.
 */
function sendingUpTo(max: number): (bytes: number, guest: string | undefined) => () => void {
  let all = 0;
  /** Of guests, by network. */
  const guests = new Counts();
  return (bytes, guest) => {
    const isOver =
      exceeds(all, bytes, max) ||
      (guest !== undefined &&
        (exceeds(guests.of(guest), bytes, max / 8) || exceeds(guests.total, bytes, max / 2)));
    if (isOver && bytes > smallBytes)
      throw new QuorateError('BUNDLE_BUSY', 'too many bundles are being sent; try again in a moment');
    const add = (change: number) => {
      all += change;
      if (guest !== undefined) guests.add(guest, change);
    };
    add(bytes);
    return () => add(-bytes);
  };
}

/** One bundle alone is sent whatever its size. */
const exceeds = (held: number, bytes: number, max: number): boolean => held > 0 && held + bytes > max;

/**
 * Asks one peer for a bundle; undefined where it has none. `wholeMs`: longest wait for all of it, as long as bytes of it arrive.
 * @throws `MESH_…`, `WIRE_INVALID`.
 */
export async function requestBundle(
  dial: Dial,
  peer: PeerAddress,
  which: string,
  wholeMs: number = sessionTimes.answerMs,
  fresh = false,
): Promise<string | undefined> {
  const channel = await dial(peer, protocols.bundle, {
    timeoutMs: sessionTimes.openMs,
    maxMessageBytes: limits.bundleBytesMax,
    fresh,
  });
  const stream = new MessageStream<Up, Down>(channel, bundleDownSchema, 'a bundle answer');
  let failure: unknown;
  try {
    await stream.send({ which });
    const answer = await stream.receive({ timeoutMs: sessionTimes.answerMs, wholeMs });
    if (answer?.kind === 'bundle') {
      await stream.release();
      return answer.bundle;
    }
    if (answer !== undefined || !isStale(channel, undefined)) {
      await stream.close();
      // A limit of streams was reached: nothing is said about the bundle.
      if (answer?.code.startsWith('MESH_') === true) throw errorFrom(answer);
      return undefined;
    }
  } catch (error) {
    failure = error;
  }
  await stream.close();
  if (!isStale(channel, failure)) throw failure;
  return requestBundle(dial, peer, which, wholeMs, true);
}
