import { QuorateError } from '../errors.ts';
import { limits } from '../limits.ts';
import { servedBounds } from '../wire/bounds.ts';
import { bundleDownSchema, bundleUpSchema } from '../wire/messages.ts';
import { protocols } from '../wire/protocols.ts';
import { isStale } from './kept-streams.ts';
import { sessionLimits } from './limits.ts';
import { errorFrom, errorMessage, MessageStream } from './message-stream.ts';
import type { Channel, Dial, PeerAddress, ServedProtocol } from './ports.ts';

const { bundlesPerStreamMax, bundleBytesPerStream } = sessionLimits;
const questionMsMax = 10_000;
const openMsMax = 10_000;
const answerMsMax = 20_000;
/** Bundles up to this size are sent whatever else is being sent. */
const smallBytes = 256 * 1024;

type Down = ReturnType<typeof bundleDownSchema.parse>;
type Up = ReturnType<typeof bundleUpSchema.parse>;

/** Stored bundles, by run, job or artifact. */
export interface StoredBundles {
  get(which: string): Promise<string | undefined>;
  /** In bytes; undefined where there is none. */
  size(which: string): Promise<number | undefined>;
}

/**
 * Serves bundles to everybody: a bundle is public and proves itself. A bundle is in memory as a whole while it is sent, so
 * large ones are refused (`BUNDLE_BUSY`) while `bytesMax` bytes are being sent.
 */
export function bundleServer(
  bundles: StoredBundles,
  bytesMax = sessionLimits.bundlesSentBytesMax,
): ServedProtocol {
  let sending = 0;
  return {
    protocol: protocols.bundle,
    options: {
      ...servedBounds('bundle'),
      maxSendBytes: limits.bundleBytesMax,
    },
    async session(channel: Channel) {
      const stream = new MessageStream<Down, Up>(channel, bundleUpSchema, 'a bundle request');
      let held = 0;
      /** Returns the bytes of the bundle. */
      const send = async (which: string): Promise<number> => {
        const bytes = (await bundles.size(which)) ?? 0;
        if (bytes > smallBytes && sending > 0 && sending + bytes > bytesMax)
          throw new QuorateError('BUNDLE_BUSY', 'too many bundles are being sent; try again in a moment');
        held = bytes;
        sending += held;
        const bundle = await bundles.get(which);
        if (bundle === undefined)
          throw new QuorateError('BUNDLE_NOT_FOUND', `there is no bundle for ${which} here`);
        await stream.send({ kind: 'bundle', bundle, addrs: [] });
        return bundle.length;
      };
      try {
        let timeoutMs: number = questionMsMax;
        let sent = 0;
        for (let count = 0; count < bundlesPerStreamMax && sent < bundleBytesPerStream; count += 1) {
          const asked = await stream.receive({ timeoutMs });
          if (asked === undefined) break;
          sent += await send(asked.which);
          sending -= held;
          held = 0;
          timeoutMs = sessionLimits.nextConversationMs;
        }
      } catch (error) {
        await stream.send(errorMessage(error)).catch(() => {});
      } finally {
        sending -= held;
      }
      await stream.close();
    },
  };
}

/** Asks one peer for a bundle; undefined where it has none. Errors: `MESH_…`, `WIRE_INVALID`. */
export async function requestBundle(
  dial: Dial,
  peer: PeerAddress,
  which: string,
  fresh = false,
): Promise<string | undefined> {
  const channel = await dial(peer, protocols.bundle, {
    timeoutMs: openMsMax,
    maxMessageBytes: limits.bundleBytesMax,
    fresh,
  });
  const stream = new MessageStream<Up, Down>(channel, bundleDownSchema, 'a bundle answer');
  let failure: unknown;
  try {
    await stream.send({ which });
    const answer = await stream.receive({ timeoutMs: answerMsMax });
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
  return requestBundle(dial, peer, which, true);
}
