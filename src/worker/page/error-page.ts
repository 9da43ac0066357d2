import { html } from 'hono/html';
import type { Refusal } from '../../http/errors.ts';
import { htmlDocument } from '../../http/kit/layout.ts';

/** The page in a browser for a request that the page of a worker refuses. */
export function lenderErrorPage({ code, message }: Refusal): string {
  return String(
    htmlDocument({
      title: 'Refused · worker · Quorate',
      sheets: ['base.css', 'lender.css'],
      body: html`<body>
<main>
<h1>Refused</h1>
<p>${message} [${code}]</p>
<p><code>quorate worker page</code>, in a terminal of this machine, prints an address that opens it.</p>
</main>
</body>`,
    }),
  );
}
