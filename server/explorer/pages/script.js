// What pages can do without, and are nicer with: progress that moves by itself, and words beside the map.
"use strict";

// A report that is being measured is asked for again until it is done.
async function follow() {
  const live = document.getElementById("live");
  if (!live || !("running" in live.dataset)) return;
  await new Promise(done => setTimeout(done, 1500));
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const next = page.getElementById("live");
    // Not under the hands of somebody who writes or reads there.
    if (next && !live.contains(document.activeElement)) live.replaceWith(next);
  } catch { /* the server is away: ask again */ }
  follow();
}

// On the map one dot is in the order of tabs, and arrow keys go to the next in their direction. Listeners are on the
// frame around it: listening on the SVG would make that a stop of its own.
function roam(map, told) {
  const dots = [...map.querySelectorAll("a")].map(a => {
    const c = a.querySelector("circle"), title = c.querySelector("title");
    const dot = { a, x: +c.getAttribute("cx"), y: +c.getAttribute("cy"), label: title.textContent };
    title.remove(); // it would cover what it tells of
    a.setAttribute("aria-label", dot.label);
    return dot;
  });
  if (dots.length === 0) return;
  const of = new Map(dots.map(d => [d.a, d]));
  let current = dots[0];
  const choose = d => {
    current.a.tabIndex = -1;
    current = d;
    d.a.tabIndex = 0;
  };
  choose(current);
  told.hidden = false;
  const tell = e => {
    const d = of.get(e.target.closest("a"));
    if (!d) return;
    told.textContent = d.label;
    if (e.type === "focusin") choose(d);
  };
  map.addEventListener("pointerover", tell);
  map.addEventListener("focusin", tell);
  const ways = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  map.addEventListener("keydown", e => {
    const way = ways[e.key];
    if (!way) return;
    e.preventDefault();
    let best = null, least = Infinity;
    for (const d of dots) {
      const along = (d.x - current.x) * way[0] + (d.y - current.y) * way[1];
      const aside = Math.abs((d.x - current.x) * way[1]) + Math.abs((d.y - current.y) * way[0]);
      if (along > 0 && along + 2 * aside < least) [best, least] = [d, along + 2 * aside];
    }
    if (best) best.a.focus();
  });
}

follow();
const map = document.getElementById("map");
if (map) roam(map, document.getElementById("told"));
