// Shared by the gallery and the studio: elements, storage, numbers, notices, colours.
// The studio imports this module; the page of a gallery contains it without the word export (gallery/page.py).

export function h(tag, properties, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(properties || {})) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "data") Object.assign(node.dataset, value);
    else if (key in node && key !== "list" && key !== "form") node[key] = value;
    else if (value !== false && value != null) node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child != null && child !== false));
  return node;
}

// Stored by the browser if it allows that, else while the page is open.
const memory = new Map();
export const keep = {
  get(key) { try { return localStorage.getItem(`sdbatch.${key}`); } catch { return memory.get(key) ?? null; } },
  set(key, text) { memory.set(key, text); try { localStorage.setItem(`sdbatch.${key}`, text); } catch { /* not allowed */ } },
};

export const count = (n, what) => `${n.toLocaleString("en")} ${what}${n === 1 ? "" : "s"}`;
export function clock(seconds) {
  const s = Math.round(seconds), m = Math.floor(s / 60), two = (n) => String(n).padStart(2, "0");
  return m < 60 ? `${m}:${two(s % 60)}` : `${Math.floor(m / 60)}:${two(m % 60)}:${two(s % 60)}`;
}

export const notice = h("p", { className: "notice", role: "status" });
export function say(text) {
  notice.textContent = text;
  notice.classList.add("up");
  clearTimeout(say.timer);
  say.timer = setTimeout(() => notice.classList.remove("up"), 2600);
  ([...document.querySelectorAll("dialog[open]")].at(-1) ?? document.body).append(notice);
}

export const themes = ["auto", "light", "dark"];
export const theme = h("button", { type: "button", className: "theme", onclick: () => setTheme(themes[(themes.indexOf(document.documentElement.dataset.theme) + 1) % 3]) });

export function setTheme(name) {
  document.documentElement.dataset.theme = name;
  theme.textContent = { auto: "◐", light: "○", dark: "●" }[name];
  theme.title = `colours: ${name}`;
  theme.setAttribute("aria-label", `colours: ${name}`);
  keep.set("theme", name);
}
