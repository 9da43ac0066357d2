import { html } from 'hono/html';
import type { QuorateError } from '../../protocol/base/errors.ts';
import { page as wholePage } from '../kit/layout.ts';
import { foreign, type Html } from '../kit/parts.ts';
import { staticUrl } from '../static-files.ts';

const page = (title: string, content: Html): Html =>
  wholePage({ title, body: html`<h1>${foreign(title, 200)}</h1>${content}` });

/** Right in the header of a page: who is signed in, and a script that loads the page again once they are not. */
export function accountLink(session: { name: string } | undefined): Html {
  return session === undefined
    ? html`<a href="/sign-in">Sign in</a>`
    : html`<a href="/sign-out">${foreign(session.name, 60)}</a><script src="${staticUrl('session.js')}" defer></script>`;
}

export function signInPage({
  host,
  origin,
  back,
}: {
  host: string | undefined;
  origin: string;
  back: string;
}): Html {
  return page(
    'Sign in',
    html`${
      host === undefined
        ? ''
        : html`<p><a href="/sign-in/start?return=${encodeURIComponent(back)}">Sign in at ${host}</a></p>`
    }
<p>Members of the project sign in with their key. This command prints a link that works once:</p>
<pre><code>quorate login --page ${origin}</code></pre>`,
  );
}

/** Says where it leads; a browser goes there by itself, see `leadOn`. */
export function onwardPage(title: string, path: string): Html {
  return page(title, html`<p><a href="${path}">Go on</a></p>`);
}

function button(action: string, fields: Readonly<Record<string, string>>, label: string): Html {
  return html`<form method="post" action="${action}">
${Object.entries(fields).map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`)}
<button type="submit">${label}</button>
</form>`;
}

export function linkPage(name: string, code: string): Html {
  return page(
    'Sign in with a key',
    html`<p>You sign in as <strong>${foreign(name, 100)}</strong>. Go on only if you have just run <code>quorate login</code> yourself.</p>
${button('/sign-in/link', { code }, 'Sign in')}`,
  );
}

export function signOutPage({ name, role, csrf }: { name: string; role: string; csrf: string }): Html {
  return page(
    'Signed in',
    html`<p>You are signed in as <strong>${foreign(name, 100)}</strong>, ${role}.</p>
${button('/sign-out', { csrf }, 'Sign out')}`,
  );
}

export function signedOutPage(): Html {
  return page('Signed out', html`<p><a href="/sign-in">Sign in again</a></p>`);
}

export function devicePage({ name, csrf, code }: { name: string; csrf: string; code: string }): Html {
  return page(
    'Sign in a terminal',
    html`<p>The terminal that shows this code is signed in as <strong>${foreign(name, 100)}</strong>.
Go on only if it is your own, and you have just run <code>quorate login</code> there: nobody else has a reason to send you a code.</p>
<form method="post" action="/sign-in/device/confirm">
<input type="hidden" name="csrf" value="${csrf}">
<p><label>Code <input name="user_code" value="${code}" required autocomplete="off" autocapitalize="characters" spellcheck="false" maxlength="14"></label></p>
<button type="submit">Sign the terminal in</button>
</form>`,
  );
}

export function deviceDonePage(): Html {
  return page('The terminal is signed in', html`<p>You can close this page.</p>`);
}

export function errorPage({ code, message, hint }: Pick<QuorateError, 'code' | 'message' | 'hint'>): Html {
  return page(
    'Not signed in',
    html`<p>${foreign(message)} [${code}]</p>
${hint === undefined ? '' : html`<p>${foreign(hint)}</p>`}
<p><a href="/sign-in">Sign in</a></p>`,
  );
}
