/** A packet of a git server (gitprotocol-common(5)): its payload, or what a packet without one marks. */
export type Packet = Buffer | 'flush' | 'delimiter' | 'end';

/** Digits of the length that a packet begins with, which counts them too. */
const headBytes = 4;
/** Longest packet, by git's own `LARGE_PACKET_MAX`. */
const packetBytesMax = 65_520;

const marks: Record<number, Exclude<Packet, Buffer>> = { 0: 'flush', 1: 'delimiter', 2: 'end' };

/** A packet with this text. */
export function packet(text: string): string {
  return `${(headBytes + Buffer.byteLength(text)).toString(16).padStart(headBytes, '0')}${text}`;
}

export const flushPacket = '0000';
export const delimiterPacket = '0001';

/** The packets in a stream. Holds one of them at most. @throws Error where the stream is not of packets, or ends within one */
export async function* packetsOf(stream: AsyncIterable<Buffer>): AsyncGenerator<Packet, void> {
  // Joined once a packet is whole: a server may send it byte by byte.
  let parts: Buffer[] = [];
  let have = 0;
  let wanted = headBytes;
  for await (const chunk of stream) {
    parts.push(chunk);
    have += chunk.length;
    if (have < wanted) continue;
    let rest = parts.length === 1 ? chunk : Buffer.concat(parts);
    for (wanted = headBytes; rest.length >= headBytes; wanted = headBytes) {
      const bytes = lengthOf(rest);
      const mark = marks[bytes];
      wanted = mark === undefined ? bytes : headBytes;
      if (rest.length < wanted) break;
      const payload = rest.subarray(headBytes, wanted);
      rest = rest.subarray(wanted);
      yield mark ?? payload;
    }
    parts = rest.length === 0 ? [] : [rest];
    have = rest.length;
  }
  if (have > 0) throw new Error('unexpected end of the answer');
}

function lengthOf(bytes: Buffer): number {
  const digits = bytes.toString('latin1', 0, headBytes);
  const length = /^[0-9a-fA-F]{4}$/.test(digits) ? Number.parseInt(digits, 16) : Number.NaN;
  if (length in marks || (length >= headBytes && length <= packetBytesMax)) return length;
  throw new Error(`bad line length ${JSON.stringify(digits)}`);
}
