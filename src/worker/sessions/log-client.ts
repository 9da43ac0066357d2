import { limits } from '../../protocol/base/limits.ts';
import { isStale } from '../../protocol/sessions/kept-streams.ts';
import { sessionTimes } from '../../protocol/sessions/limits.ts';
import type { Channel, Dial, PeerAddress } from '../../protocol/sessions/ports.ts';
import { encodeMessage } from '../../protocol/wire/messages.ts';
import { protocols } from '../../protocol/wire/protocols.ts';

/** The live log of a lease at the controller. */
export interface LogStream {
  /** Text of the log, at least one byte. @throws `MESH_…`. */
  send(text: Uint8Array): Promise<void>;
  /** The log is whole: the stream may carry the next one. @throws `MESH_…`. */
  end(): Promise<void>;
  /** Ends the stream before the log is whole, and the controller notes that in the log. */
  close(): Promise<void>;
}

/** Opens the live log of a lease. @throws `MESH_…`. */
export async function openLog(
  dial: Dial,
  controller: PeerAddress,
  lease: string,
  fresh = false,
): Promise<LogStream> {
  const channel = await dial(controller, protocols.log, {
    timeoutMs: sessionTimes.openMs,
    maxMessageBytes: limits.documentBytesMax,
    fresh,
  });
  try {
    await channel.send(encodeMessage({ lease }));
  } catch (error) {
    if (isStale(channel, error)) return openLog(dial, controller, lease, true);
    throw error;
  }
  return {
    send: (text) => channel.send(text),
    end: () => end(channel),
    close: () => channel.close(),
  };
}

async function end(channel: Channel): Promise<void> {
  await channel.send(new Uint8Array());
  if (channel.kept === undefined) return channel.close();
  channel.kept.release();
}
