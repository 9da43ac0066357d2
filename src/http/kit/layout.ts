import { html } from 'hono/html';
import type { ErrorPage } from '../errors.ts';
import { staticUrl } from '../static-files.ts';
import { foreign, type Html } from './parts.ts';

interface NavLink {
  href: string;
  text: string;
  current?: boolean;
}

/** The pages of a project, at an address or of the same server; `path`: of the page that is shown. */
export const projectNav = (verify: string | undefined, { at = '', path = '' } = {}): NavLink[] => [
  { href: `${at}/`, text: 'Project', current: path === '/' },
  { href: `${at}/runs`, text: 'Runs', current: path === '/runs' },
  ...(verify === undefined ? [] : [{ href: `${at}${verify}`, text: 'Verify' }]),
];

/** The bar at the head of every page. `more`: right of its links. */
export const topBar = (brand: { href: string; text: string }, nav: readonly NavLink[], more?: Html): Html =>
  html`<header class="top"><div class="bar">
<a class="brand" href="${brand.href}">${brand.text}</a>
<nav aria-label="Main">${nav.map(
    ({ href, text, current }) =>
      html`<a href="${href}"${current === true ? html` aria-current="page"` : ''}>${text}</a>`,
  )}</nav>
${more ?? ''}
</div></header>`;

export interface Layout {
  title: string;
  project?: string | undefined;
  nav?: readonly NavLink[] | undefined;
  /** Right of the links: who is signed in. */
  account?: Html | undefined;
  /** URL of the server-sent events that keep this page up to date. */
  live?: string | undefined;
  scripts?: readonly string[] | undefined;
  wide?: boolean | undefined;
  body: Html;
}

/** A document with the head of every page, and files of `static/`. `body`: the element. */
export function htmlDocument(parts: {
  title: string;
  sheets: readonly string[];
  scripts?: readonly string[];
  body: Html;
}): Html {
  const { title, sheets, scripts = [], body } = parts;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<link rel="icon" href="${staticUrl('icon.svg')}" type="image/svg+xml">
${sheets.map((file) => html`<link rel="stylesheet" href="${staticUrl(file)}">`)}
${scripts.map((file) => html`<script src="${staticUrl(file)}" defer></script>`)}
</head>
${body}
</html>`;
}

/** A whole page. No style and no script is inline: the content security policy allows none. */
export function page({ title, project, nav = [], account, live, scripts = [], wide, body }: Layout): Html {
  const name = project === undefined ? 'Quorate' : foreign(project, 80);
  return htmlDocument({
    title: `${foreign(title, 120)} · ${name}`,
    sheets: ['bar.css', 'page.css'],
    scripts: ['page.js', ...scripts],
    body: html`<body${live === undefined ? '' : html` data-live="${live}"`}>
<a class="skip" href="#main">Skip to content</a>
${topBar({ href: '/', text: name }, nav, html`<span class="connection" role="status" aria-live="polite"></span>${account ?? ''}`)}
<main id="main" class="${wide === true ? 'wide' : ''}" tabindex="-1">${body}</main>
</body>`,
  });
}

/** Pages of errors, with a link to what the service has to show. */
export const errorPageWith =
  (home: { href: string; text: string } | undefined): ErrorPage =>
  ({ status, code, message }) =>
    String(
      page({
        title: `${status}`,
        body: html`<h1>${status === 404 ? 'Nothing is here' : 'That did not work'}</h1>
<p>${foreign(message)}.</p><p class="quiet"><code>${code}</code></p>${home === undefined ? '' : html`<p><a href="${home.href}">${home.text}</a></p>`}`,
      }),
    );

export const errorPage = errorPageWith({ href: '/', text: 'To the project' });
