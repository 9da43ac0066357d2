import { isoTime } from '../protocol/base/time.ts';

export { counted, duration, sizeText as bytes } from '../protocol/base/quantity.ts';
export { shortId } from '../protocol/base/text.ts';

/** The first ten characters of a run's id, which all commands accept. */
export const shortRun = (run: string): string => run.slice(0, 10);

/** Advice about a text that is not the CID it should be. `otherwise`: of one that does not look like a CID either. */
export const cidHint = (text: string, otherwise: string): string =>
  /^baf[a-z]/i.test(text)
    ? 'It begins as a CID, and is mistyped or cut off: copy the whole of it, from quorate show <job>'
    : otherwise;

/** `2026-11-25 14:03:07Z`. */
export function when(ms: number): string {
  return `${isoTime(ms).slice(0, 19).replace('T', ' ')}Z`;
}
