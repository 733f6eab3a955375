const data = JSON.parse(document.getElementById("data").textContent);
const at = (id) => document.getElementById(id);

// ---- cover art: the artist gives the colours, the track the drawing ----

function numbers(text) { // mulberry32, seeded by FNV-1a
  let seed = 2166136261;
  for (const one of text) seed = Math.imul(seed ^ one.codePointAt(0), 16777619);
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let bits = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return ((bits ^ (bits >>> 14)) >>> 0) / 4294967296;
  };
}

const drawings = [
  (r, c) => Array.from({ length: 5 }, (_, i) => `<circle cx="${30 + 40 * r()}" cy="${30 + 40 * r()}" r="${62 - 12 * i}" fill="${c[i % 3 + 1]}" opacity=".8"/>`).join(""),
  (r, c) => { const turn = 180 * r(); return `<g transform="rotate(${turn} 50 50)">` + Array.from({ length: 9 }, (_, i) => `<rect x="${-30 + 18 * i}" y="-40" width="${4 + 11 * r()}" height="180" fill="${c[i % 3 + 1]}"/>`).join("") + "</g>"; },
  (r, c) => { const n = 3 + Math.floor(2 * r()), s = 100 / n; return Array.from({ length: n * n }, (_, i) => { const x = (i % n) * s, y = Math.floor(i / n) * s, q = Math.floor(4 * r()); return `<g transform="translate(${x} ${y}) rotate(${90 * q} ${s / 2} ${s / 2})"><path d="M0 0h${s}a${s} ${s} 0 0 1-${s} ${s}z" fill="${c[1 + Math.floor(3 * r())]}"/></g>`; }).join(""); },
  (r, c) => { const y = 52 + 16 * r(); return `<circle cx="${25 + 50 * r()}" cy="${y - 14}" r="${17 + 10 * r()}" fill="${c[3]}"/>` + Array.from({ length: 4 }, (_, i) => { const h = y + 11 * i, a = 5 + 9 * r(), b = 100 * r(); return `<path d="M0 ${h} C${b} ${h - a} ${100 - b} ${h + a} 100 ${h - a / 2} V100 H0Z" fill="${c[1 + i % 2]}" opacity="${.55 + .15 * i}"/>`; }).join(""); },
  (r, c) => { const bars = 9; return Array.from({ length: bars }, (_, i) => { const h = 14 + 64 * Math.pow(r(), .8); return `<rect x="${9 + i * 9.4}" y="${50 - h / 2}" width="6" height="${h}" rx="3" fill="${c[1 + i % 3]}"/>`; }).join(""); },
  (r, c) => { const points = (n, s) => Array.from({ length: n }, (_, i) => { const t = 2 * Math.PI * i / n, d = s * (.7 + .5 * r()); return [50 + d * Math.cos(t), 50 + d * Math.sin(t)].map((v) => v.toFixed(1)).join(","); }).join(" "); return [46, 33, 19].map((s, i) => `<polygon points="${points(5 + Math.floor(5 * r()), s)}" fill="${c[i + 1]}"/>`).join(""); },
];

function cover(track) {
  const [id, , artist] = data.tracks[track];
  const colour = numbers(artist || id), draw = numbers(id);
  // grounds between yellow and green would be mud; the other colours lie near the ground, and one across from it
  const hue = 145 + 275 * colour(), step = 28 + 30 * colour(), light = 26 + 12 * colour();
  const colours = [
    `oklch(${light}% .085 ${hue})`, `oklch(64% .16 ${hue + step})`, `oklch(76% .13 ${hue - step})`, `oklch(91% .075 ${hue + 165})`,
  ];
  return `<svg viewBox="0 0 100 100" preserveAspectRatio="xMidYMid slice" aria-hidden="true"><rect width="100" height="100" fill="${colours[0]}"/>${drawings[Math.floor(drawings.length * draw())](draw, colours)}</svg>`;
}

// ---- the page ----

function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined && text !== null) element.textContent = text;
  return element;
}

function covered(track) {
  const box = make("span", "cover");
  box.innerHTML = cover(track);
  return box;
}

const plain = (number) => (number >= 0.001 ? number.toFixed(3) : number.toExponential(1));
const named = (track) => { const [, title, artist] = data.tracks[track]; return artist ? `${title} by ${artist}` : title; };
const ago = (days) => (days < 1 ? "today" : days < 2 ? "yesterday" : `${Math.floor(days)} days ago`);

function card(entry, shelf, place) {
  const [track, score, source, , reason, propensity] = entry;
  const [, title, artist] = data.tracks[track];
  const button = make("button", "card"), box = covered(track), why = make("span", "why", data.reasons[reason]);
  why.id = `why-${shelf}-${place}`;
  box.append(why);
  button.type = "button";
  button.tabIndex = place ? -1 : 0;
  button.setAttribute("aria-describedby", why.id);
  button.append(box, make("span", "title", title), make("span", "artist", artist || " "));
  const chance = propensity < 1 ? ` · p ${plain(propensity)}` : "";
  button.append(make("span", "facts", `${plain(score)} · ${data.sources[source]}${chance}`));
  button.addEventListener("click", () => tell(entry));
  const item = make("li");
  item.append(button);
  return item;
}

function arrows(row) {
  const box = make("div", "arrows"), buttons = [-1, 1].map((way) => {
    const button = make("button", "", way < 0 ? "‹" : "›");
    button.type = "button";
    button.tabIndex = -1; // the arrow keys do this from any card
    button.setAttribute("aria-hidden", "true");
    button.addEventListener("click", () => row.scrollBy({ left: way * row.clientWidth * 0.85, behavior: "smooth" }));
    return button;
  });
  const mark = () => {
    buttons[0].disabled = row.scrollLeft < 4;
    buttons[1].disabled = row.scrollLeft + row.clientWidth > row.scrollWidth - 4;
    row.classList.toggle("more", !buttons[1].disabled);
  };
  row.addEventListener("scroll", mark, { passive: true });
  new ResizeObserver(mark).observe(row);
  box.append(...buttons);
  return box;
}

function shelfOf(shelf, number) {
  const section = make("section", `shelf as-${shelf.format}`), head = make("header"), text = make("div"), row = make("ul", "row");
  const title = make("h2", "", shelf.title);
  title.id = `shelf-${number}`;
  section.setAttribute("aria-labelledby", title.id);
  row.setAttribute("aria-describedby", "keys");
  row.setAttribute("role", "list");
  const chance = shelf.propensity < 1 ? ` · p ${plain(shelf.propensity)}` : "";
  text.append(title, make("p", "soft", shelf.reason), make("span", "facts", `${shelf.id} · value ${plain(shelf.score)}${chance}`));
  row.append(...shelf.cards.map((entry, place) => card(entry, number, place)));
  head.append(text, arrows(row));
  section.append(head, row);
  return section;
}

function played([track, plays, days]) {
  const item = make("li"), text = make("div");
  text.append(make("span", "title", data.tracks[track][1]), make("span", "artist", data.tracks[track][2]));
  text.append(make("span", "artist", ago(days) + (plays > 1 ? ` · ${plays} plays` : "")));
  item.append(covered(track), text);
  return item;
}

function greet(user) {
  if (!user.recent) return "";
  if (!user.recent.length) return "Nothing is known of this listener yet";
  const genres = new Map();
  for (const [track] of user.recent) { const genre = data.tracks[track][3]; if (genre) genres.set(genre, (genres.get(genre) || 0) + 1); }
  const liked = [...genres].sort((a, b) => b[1] - a[1]).slice(0, 3).map(([genre]) => genre);
  return liked.length ? `Lately mostly ${liked.join(", ")}` : `Last played ${ago(user.recent[0][2])}`;
}

function show(place, surface) {
  const user = data.users[place];
  const surfaces = [...new Set(user.shelves.map((shelf) => shelf.surface)), ...(user.queues.length ? [NOW_PLAYING] : [])];
  const shown = surfaces.includes(surface) ? surface : surfaces[0], isPlaying = shown === NOW_PLAYING;
  const shelves = user.shelves.filter((shelf) => shelf.surface === shown);
  const title = `${isPlaying ? "Now Playing" : "Home"} of ${user.id}`;
  at("user").value = place;
  document.querySelector(".surface").hidden = surfaces.length < 2;
  at("surface").replaceChildren(...surfaces.map((name) => new Option(name === NOW_PLAYING ? "Now Playing" : name, name, false, name === shown)));
  at("greeting").textContent = title;
  at("about").textContent = [greet(user), `as of ${data.asOf} UTC`].filter(Boolean).join(" · ");
  at("shelves").replaceChildren(...shelves.map(shelfOf));
  at("queues").hidden = !isPlaying;
  if (isPlaying) showQueues(user.queues);
  at("aside").hidden = user.recent === null;
  at("recent").replaceChildren(...((user.recent || []).length ? user.recent.map(played) : [make("li", "none", "No play is known.")]));
  at("said").textContent = `${title}: ${isPlaying ? counted(user.queues.length, "queue") : `${shelves.length} shelves`}`;
  history.replaceState(null, "", `#${encodeURIComponent(user.id)}`);
  scrollTo(0, 0);
}

function tell([track, score, source, because, reason, propensity]) {
  const from = because === null ? null : named(because);
  tellTrack(track, reason, [["source", data.sources[source]], ["because of", from], ["score", plain(score)], ["propensity", plain(propensity)]]);
}

function tellTrack(track, reason, figures) {
  const [id, title, artist, genre] = data.tracks[track];
  at("card-cover").innerHTML = cover(track);
  at("card-title").textContent = title;
  at("card-artist").textContent = artist || "";
  at("card-reason").textContent = data.reasons[reason];
  const facts = [["track", id], ["genre", genre], ...figures];
  at("card-facts").replaceChildren(...facts.filter(([, value]) => value).flatMap(([name, value]) => [make("dt", "", name), make("dd", "", value)]));
  at("card").showModal();
}

// ---- keys and switches ----

function move(from, rows, columns) {
  const shelves = [...document.querySelectorAll(".row")], row = from.closest(".row"), cards = [...row.querySelectorAll(".card")];
  const place = cards.indexOf(from), target = shelves[shelves.indexOf(row) + rows];
  if (!target) return;
  const others = rows ? [...target.querySelectorAll(".card")] : cards;
  const next = others[Math.max(0, Math.min(others.length - 1, place + columns))];
  (rows ? target : row).querySelectorAll(".card").forEach((one) => { one.tabIndex = one === next ? 0 : -1; });
  next.focus();
  next.scrollIntoView({ block: "nearest", inline: "nearest" });
}

const KEYS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], Home: [0, -99], End: [0, 99] };
at("shelves").addEventListener("keydown", (event) => {
  const from = event.target.closest(".card"), way = KEYS[event.key];
  if (!from || !way) return;
  event.preventDefault();
  move(from, ...way);
});

const step = (by) => show((Number(at("user").value) + by + data.users.length) % data.users.length, at("surface").value);
at("previous").addEventListener("click", () => step(-1));
at("next").addEventListener("click", () => step(1));
at("user").addEventListener("change", () => step(0));
at("surface").addEventListener("change", () => show(Number(at("user").value), at("surface").value));
listenToQueues();
at("details").addEventListener("click", () => {
  const isOn = document.body.classList.toggle("details");
  at("details").setAttribute("aria-pressed", String(isOn));
});
at("card").addEventListener("click", (event) => { if (event.target === at("card")) at("card").close(); });

const root = document.documentElement, likes = matchMedia("(prefers-color-scheme: dark)");
const paint = () => { root.dataset.theme = likes.matches ? "dark" : "light"; };
likes.addEventListener("change", paint);
paint();
at("theme").addEventListener("click", () => { root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark"; });

data.users.forEach((user, place) => at("user").append(new Option(user.id, place)));
if (data.users.length) {
  const asked = decodeURIComponent(location.hash.slice(1)), found = data.users.findIndex((user) => user.id === asked);
  show(Math.max(0, found));
}
