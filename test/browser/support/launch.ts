import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

/** Debian's, which `scripts/setup.js --for matrices` installs. */
const executablePath = '/usr/bin/chromium';

/** Chromium's own sandbox does not start as root. The pages are the project's own. */
const asRoot = process.getuid?.() === 0 ? ['--no-sandbox'] : [];

/** Closed by whoever opens it. */
export function openChromium(): Promise<Browser> {
  if (!existsSync(executablePath)) throw new Error('there is no chromium: scripts/setup.js --for matrices');
  return chromium.launch({ executablePath, args: asRoot, timeout: 120_000 });
}
