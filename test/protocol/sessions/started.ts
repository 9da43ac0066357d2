import type { StartInquiry } from '../../../src/controller/sessions/start-inquiry.ts';

/** The inquiry of a controller that has started. */
export const started = { isOpen: true, hello() {} } as unknown as StartInquiry;
