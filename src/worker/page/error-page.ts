import { html } from 'hono/html';
import type { Refusal } from '../../http/errors.ts';
import { staticUrl } from '../../http/static-files.ts';

/** The page in a browser for a request that the page of a worker refuses. */
export function lenderErrorPage({ code, message }: Refusal): string {
  return String(
    html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="${staticUrl('icon.svg')}" type="image/svg+xml">
<link rel="stylesheet" href="${staticUrl('lender.css')}">
<title>Refused · worker · Quorate</title>
</head>
<body>
<main>
<h1>Refused</h1>
<p>${message} [${code}]</p>
<p><code>quorate worker page</code>, in a terminal of this machine, prints an address that opens it.</p>
</main>
</body>
</html>`,
  );
}
