// Starts the page, and polls for changes while the experiment renders.

const POLL = 800, POLL_HIDDEN = 5000; // milliseconds between polls: with changes, and while the page is hidden
let idleSeconds = 0, lastChange = performance.now();

on((what) => {
  if (what === "favourites") { if (view.only === "favourites") layOut(); else draw(); drawStatus(); }
  if (what === "state") { if (["all", "favourites"].includes(view.only)) draw(); else layOut(); drawStatus(); }
  if (what === "view") { layOut(); drawControls(); }
});

async function watch() {
  while (now.live || now.watched) { // watched: rendered again when a file changes
    await new Promise((wake) => setTimeout(wake, document.hidden ? POLL_HIDDEN : POLL));
    const tick = now.live?.tick;
    let news = false;
    try {
      news = await readState(true);
    } catch {
      // it is being replaced, or the server does not respond: the next poll reads it
    }
    if (news || now.live?.tick !== tick) { lastChange = performance.now(); changed("state"); }
    idleSeconds = (performance.now() - lastChange) / 1000;
    if (now.plan !== plan.plan) return location.reload();
    drawStatus();
  }
}

const repaint = () => new Promise((wake) => setTimeout(wake)); // lets the browser draw

async function begin() {
  setTheme(themes.includes(keep.get("theme")) ? keep.get("theme") : "auto");
  document.body.append(toolbar, scroller, dialog, textDialog, help, notice);
  try {
    await readPlan();
    await readState(true);
  } catch (error) {
    empty.hidden = false;
    empty.textContent = `Cannot load the data: ${error.message}. Is the folder gallery next to this page?`;
    setTimeout(() => location.reload(), 3000);
    return;
  }
  toolbar.querySelector("h1").textContent = plan.name;
  await repaint();
  readFavourites();
  defaultRoles();
  const requested = readHash();
  drawControls();
  await repaint();
  if (!requested.roles) fillWindow();
  drawControls();
  layOut();
  drawStatus();
  sizer.value = view.size || grid.size;
  document.body.classList.add("ready");
  const find = (name) => jobs.findIndex((job) => job.row[0] === name);
  if (requested.pin) pinned = find(requested.pin);
  wiping = requested.wiper;
  original = requested.original;
  if (requested.open) open(find(requested.open));
  watch();
}

// The page itself changes the address without this event: somebody has pasted or edited it.
addEventListener("hashchange", () => location.reload());
begin();
