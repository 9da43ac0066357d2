import type { StartInquiry } from '../../../src/core/sessions/controller/start-inquiry.ts';

/** The inquiry of a controller that has started. */
export const started = { isOpen: true, hello() {} } as unknown as StartInquiry;
