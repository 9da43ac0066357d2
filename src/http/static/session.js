// Loads the page again once the person's session is over: what only they may see is not left standing.
const events = new EventSource('/sign-in/events');
events.addEventListener('signed-out', () => {
  events.close();
  location.reload();
});
events.addEventListener('error', async () => {
  // The server went away for a moment, or does not take this session any more.
  if (events.readyState !== EventSource.CLOSED) return;
  const { status } = await fetch('/sign-in/session');
  if (status === 401) location.reload();
});
addEventListener('pagehide', () => events.close());
