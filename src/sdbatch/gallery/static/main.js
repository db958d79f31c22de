// Starts the page, and polls for changes while the experiment renders.

const EVERY = 800, SELDOM = 5000; // milliseconds between polls: with changes, and while the page is hidden
let quiet = 0, heard = performance.now();

on((what) => {
  if (what === "favourites") { if (view.only === "favourites") layOut(); else draw(); tell(); }
  if (what === "state") { if (["all", "favourites"].includes(view.only)) draw(); else layOut(); tell(); }
  if (what === "view") { layOut(); drawControls(); }
});

async function watch() {
  while (now.live) {
    await new Promise((wake) => setTimeout(wake, document.hidden ? SELDOM : EVERY));
    const tick = now.live.tick;
    try {
      await readState(true);
    } catch {
      // it is being replaced, or the server is away: there will be another look
    }
    if (!now.live || now.live.tick !== tick) { heard = performance.now(); changed("state"); }
    quiet = (performance.now() - heard) / 1000;
    if (now.plan !== plan.plan) return location.reload();
    tell();
  }
}

const breathe = () => new Promise((wake) => setTimeout(wake)); // the browser may draw in between

async function begin() {
  dress(themes.includes(keep.get("theme")) ? keep.get("theme") : "auto");
  document.body.append(toolbar, scroller, dialog, offering, help, notice);
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
  await breathe();
  readFavourites();
  usualRoles();
  const asked = readHash();
  drawControls();
  await breathe();
  layOut();
  tell();
  sizer.value = view.size || grid.size;
  document.body.classList.add("ready");
  const find = (name) => jobs.findIndex((job) => job.row[0] === name);
  if (asked.pin) pinned = find(asked.pin);
  wiping = asked.wiper;
  if (asked.open) open(find(asked.open));
  watch();
}

begin();
