import { html } from 'hono/html';

type Html = ReturnType<typeof html>;

/** A page around its content; no script, no style of its own. */
function page(title: string, content: Html, head: Html | '' = ''): Html {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} – Quorate</title>
${head}
</head>
<body>
<main>
<h1>${title}</h1>
${content}
</main>
</body>
</html>
`;
}

export function signInPage(parts: { host: string | undefined; origin: string; back: string }): Html {
  const { host, origin, back } = parts;
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

/**
 * Leads on to a path by itself. A redirect in its place would be part of the navigation that came from the provider, on
 * which browsers send no cookie with SameSite=Strict.
 */
export function onwardPage(title: string, path: string): Html {
  return page(
    title,
    html`<p><a href="${path}">Go on</a></p>`,
    html`<meta http-equiv="refresh" content="0; url=${path}">`,
  );
}

/** A button that does one thing. */
function button(action: string, fields: Readonly<Record<string, string>>, label: string): Html {
  return html`<form method="post" action="${action}">
${Object.entries(fields).map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`)}
<button type="submit">${label}</button>
</form>`;
}

export function linkPage(name: string, code: string): Html {
  return page(
    'Sign in with a key',
    html`<p>You sign in as <strong>${name}</strong>. Go on only if you have just run <code>quorate login</code> yourself.</p>
${button('/sign-in/link', { code }, 'Sign in')}`,
  );
}

export function signOutPage({ name, role, csrf }: { name: string; role: string; csrf: string }): Html {
  return page(
    'Signed in',
    html`<p>You are signed in as <strong>${name}</strong>, ${role}.</p>
${button('/sign-out', { csrf }, 'Sign out')}`,
  );
}

export function signedOutPage(): Html {
  return page('Signed out', html`<p><a href="/sign-in">Sign in again</a></p>`);
}

export function devicePage(parts: { name: string; csrf: string; code: string }): Html {
  const { name, csrf, code } = parts;
  return page(
    'Sign in a terminal',
    html`<p>The terminal that shows this code is signed in as <strong>${name}</strong>.
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

export function errorPage(error: { code: string; message: string; hint: string | undefined }): Html {
  const { code, message, hint } = error;
  return page(
    'Not signed in',
    html`<p>${message} [${code}]</p>
${hint === undefined ? '' : html`<p>${hint}</p>`}
<p><a href="/sign-in">Sign in</a></p>`,
  );
}
