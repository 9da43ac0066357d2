import axe from 'axe-core';
import type { Browser, Page } from 'playwright-core';
import { expect, onTestFinished } from 'vitest';

export { openChromium } from './launch.ts';

export interface View {
  /** CSS pixels. Default: 1,400. */
  width?: number;
  scheme?: 'light' | 'dark';
  javaScript?: boolean;
  /** Without a network. */
  offline?: boolean;
}

export interface Viewed {
  page: Page;
  /** Errors of the console, uncaught errors and violations of the policy: none on a page that is right. */
  faults: string[];
  /** Requests besides those for files and data. */
  requests: string[];
}

/** A page in a profile of its own, closed at the end of the test, which fails for any fault that is left in the list. */
export async function view(browser: Browser, options: View = {}): Promise<Viewed> {
  const { width = 1400, scheme = 'light', javaScript = true, offline = false } = options;
  const context = await browser.newContext({
    viewport: { width, height: 900 },
    colorScheme: scheme,
    javaScriptEnabled: javaScript,
    offline,
    acceptDownloads: true,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(120_000);
  const faults: string[] = [];
  const requests: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') faults.push(message.text());
  });
  page.on('pageerror', (error) => faults.push(String(error)));
  page.on('request', (request) => {
    if (!/^(file|data|blob):/.test(request.url())) requests.push(`${request.method()} ${request.url()}`);
  });
  await page.addInitScript(() => {
    addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => {
      console.error(`policy: ${violatedDirective} ${blockedURI}`);
    });
  });
  onTestFinished(async () => {
    await context.close();
    expect(faults).toEqual([]);
  });
  return { page, faults, requests };
}

const rules = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];

interface AxeResult {
  violations: { id: string; nodes: { target: unknown; failureSummary?: string }[] }[];
}

/** Violations of WCAG 2.2 A and AA that axe finds, one line each. */
export async function violations(page: Page): Promise<string[]> {
  // Not as an element of the page, whose policy would refuse it.
  await page.evaluate(axe.source);
  const { violations: found } = (await page.evaluate(
    `axe.run(document, { runOnly: ${JSON.stringify(rules)} })`,
  )) as AxeResult;
  return found.flatMap(({ id, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${id} at ${JSON.stringify(target)}: ${failureSummary}`),
  );
}

/** Whether the page is no wider than the window: nobody has to scroll sideways to read. */
export const fits = (page: Page): Promise<boolean> =>
  page.evaluate(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth);

/** Every look of a page that is checked: narrow and wide, light and dark. */
export const looks = [360, 1400].flatMap((width) =>
  (['light', 'dark'] as const).map((scheme) => ({ width, scheme })),
);
