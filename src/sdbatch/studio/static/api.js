// Requests to the server. An answer that is not 2xx becomes an Error with `status` and `body`.

const MARK = { "X-Sdbatch": "studio" }; // no other site can send it

async function answer(path, options) {
  const found = await fetch(path, { cache: "no-store", ...options });
  const body = await found.json().catch(() => ({}));
  if (!found.ok) throw Object.assign(new Error(body.error || `the server answered ${found.status}`), { status: found.status, body });
  return body;
}

export const get = (path) => answer(path);
export const post = (path, data = {}) =>
  answer(path, { method: "POST", headers: { ...MARK, "Content-Type": "application/json" }, body: JSON.stringify(data) });
export const upload = (path, file) =>
  answer(path, { method: "POST", headers: { ...MARK, "Content-Type": "application/octet-stream" }, body: file });

// The server's events: `on` has a function for each kind, and `connected` is told whether the server is there. A page that
// nobody sees does not listen: browsers allow six connections to a server, for all of their tabs.
export function events(on, connected) {
  let source = null;
  const open = () => {
    if (source || document.visibilityState === "hidden") return;
    source = new EventSource("/api/events");
    for (const [kind, act] of Object.entries(on)) source.addEventListener(kind, (event) => act(JSON.parse(event.data)));
    source.onopen = () => connected(true);
    source.onerror = () => connected(false);
  };
  const close = () => { source?.close(); source = null; };
  document.addEventListener("visibilitychange", () => (document.visibilityState === "hidden" ? close() : open()));
  addEventListener("pagehide", close);
  addEventListener("pageshow", open);
  open();
}
