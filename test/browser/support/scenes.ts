import type { Browser, Page } from 'playwright-core';
import type { Site } from '../../controller/page/scenes/site.ts';

export interface Look {
  width: number;
  height: number;
  scheme: 'light' | 'dark';
}

/** A telephone, a tablet and a desk, each in both themes. */
export const looks: readonly Look[] = [
  { width: 390, height: 844 },
  { width: 768, height: 1024 },
  { width: 1440, height: 900 },
].flatMap((view) => (['light', 'dark'] as const).map((scheme) => ({ ...view, scheme })));

/** Opens a scene in a window of its own, whose clock stands where that of the project does. */
export async function shown<T>(
  browser: Browser,
  { url, now }: Pick<Site, 'url' | 'now'>,
  { width, height, scheme }: Look,
  look: (page: Page) => Promise<T>,
): Promise<T> {
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: scheme,
    deviceScaleFactor: 1,
  });
  try {
    const page = await context.newPage();
    await page.clock.setFixedTime(now);
    await page.goto(url);
    await page.locator('h1').waitFor();
    return await look(page);
  } finally {
    await context.close();
  }
}
