"use strict";
// ---- Now Playing: a queue, what is heard of it, and what a skip makes of the rest; everything was computed before ----

const NOW_PLAYING = "now_playing";
// of the queue that is shown: `order` has the places of its tracks as they play, `at` is the one that plays now
const playing = { queues: [], queue: null, order: [], at: 0, skipped: null };

const percent = (chance) => `${Math.round(100 * chance)} %`;
const counted = (n, noun) => `${n} ${noun}${n === 1 ? "" : "s"}`;
const contextName = (queue) => `${{ track: "After", album: "Album", artist: "Artist", session: "Session of" }[queue.context]} ${queue.name}`;
// chances are those of the published order; after a skip they are told as such
const chances = ([, completed, skipped, source]) => `${playing.skipped === null ? "" : "before the skip: "}skip ${percent(skipped)} · completion ${percent(completed)} · ${data.sources[source]}`;
const entryAt = (index) => playing.queue.tracks[playing.order[index]];

function showQueues(queues) {
  playing.queues = queues;
  at("context").replaceChildren(...queues.map((queue, number) => new Option(contextName(queue), number)));
  openQueue(0);
}

function openQueue(number) {
  const queue = playing.queues[number];
  Object.assign(playing, { queue, order: queue.tracks.map((_, place) => place), at: 0, skipped: null });
  at("context").value = number;
  const known = `${queue.familiar} of 10 known`, lax = queue.relaxed.length ? ` · relaxed: ${queue.relaxed.join(", ")}` : "";
  at("queue-about").textContent = `${counted(queue.tracks.length, "track")} · ${known}${lax}`;
  drawQueue();
}

function goTo(index) {
  if (index < 0 || index >= playing.order.length) return;
  // before the skip nothing was skipped yet
  if (playing.skipped !== null && index <= playing.skipped) undoSkip();
  playing.at = index;
  drawQueue();
  at("said").textContent = `Plays now: ${named(entryAt(index)[0])}`;
}

function undoSkip() {
  playing.order = playing.queue.tracks.map((_, place) => place);
  playing.at = playing.skipped;
  playing.skipped = null;
}

function skipNow() {
  if (skipRefusal()) { at("said").textContent = skipRefusal(); return; }
  const skipped = playing.at;
  playing.order = [...playing.order.slice(0, skipped + 1), ...playing.queue.branches[skipped]];
  playing.skipped = skipped;
  playing.at = Math.min(skipped + 1, playing.order.length - 1);
  drawQueue();
  at("said").textContent = `${at("change").textContent} Plays now: ${named(entryAt(playing.at)[0])}`;
}

function skipRefusal() {
  const last = Math.min(playing.queue.branches.length, playing.queue.tracks.length - 1);
  if (playing.skipped !== null) return "This page knows one skip of a queue. Undo it to try another.";
  return playing.at < last ? "" : `This page knows what follows a skip of one of the first ${counted(last, "track")}.`;
}

// Places by which a track comes earlier (above 0) or later than it would have without the skip.
function movedBy(index) {
  return playing.skipped === null || index <= playing.skipped ? 0 : playing.order[index] - index;
}

function changeText() {
  if (playing.skipped === null) return "";
  const artist = data.tracks[entryAt(playing.skipped)[0]][2];
  const later = playing.order.map((_, index) => index).filter((index) => index > playing.skipped);
  const own = later.filter((index) => artist && movedBy(index) && data.tracks[entryAt(index)[0]][2] === artist);
  const moved = counted(later.filter((index) => movedBy(index) !== 0).length, "track");
  const where = own.length ? ` ${artist}: place ${own.map((index) => `${playing.order[index] + 1} → ${index + 1}`).join(", ")}.` : "";
  return `Skipped ${named(entryAt(playing.skipped)[0])}: ${moved} moved.${where}`;
}

function drawQueue() {
  const entry = entryAt(playing.at), [track, , , , known, reason] = entry, [, title, artist] = data.tracks[track];
  at("now-cover").innerHTML = cover(track);
  at("now-title").textContent = title;
  at("now-artist").textContent = artist || "";
  at("now-reason").textContent = `${data.reasons[reason]} · ${known ? "known" : "new to this listener"}`;
  at("now-facts").textContent = chances(entry);
  at("now-place").textContent = `${playing.at + 1} of ${playing.order.length}`;
  at("now-heard").style.inlineSize = `${100 * (playing.at + 1) / playing.order.length}%`;
  at("queue-back").setAttribute("aria-disabled", String(playing.at === 0));
  at("queue-next").setAttribute("aria-disabled", String(playing.at + 1 >= playing.order.length));
  at("queue-skip").setAttribute("aria-disabled", String(skipRefusal() !== ""));
  at("queue-skip").title = skipRefusal();
  at("change").textContent = changeText();
  at("queue-change").hidden = playing.skipped === null;
  const heard = playing.order.slice(0, playing.at).map((_, index) => index);
  at("heard").replaceChildren(...heard.map((index) => queued(index)));
  at("heard-part").hidden = !heard.length;
  const next = playing.order.map((_, index) => index).slice(playing.at + 1);
  at("up-next").replaceChildren(...(next.length ? next.map((index) => queued(index)) : [make("li", "none", "The queue ends here.")]));
  const first = at("up-next").querySelector("button");
  if (first) first.tabIndex = 0;
}

function queued(index) {
  const entry = entryAt(index), [track, , , , known, reason] = entry, [, title, artist] = data.tracks[track];
  const item = make("li"), button = make("button", "queued"), text = make("span", "words"), moved = movedBy(index);
  button.type = "button";
  button.tabIndex = -1;
  text.append(make("span", "title", title), make("span", "artist", artist || " "), make("span", "because", data.reasons[reason]));
  text.append(make("span", "facts", chances(entry)));
  const marks = make("span", "marks");
  marks.append(make("span", known ? "mark" : "mark new", known ? "known" : "new"));
  if (index === playing.skipped) marks.append(make("span", "mark was-skipped", "skipped"));
  if (moved) {
    const mark = make("span", moved > 0 ? "moved up" : "moved", `${moved > 0 ? "▲" : "▼"} ${Math.abs(moved)}`);
    mark.setAttribute("aria-label", `${Math.abs(moved)} ${moved > 0 ? "earlier" : "later"}`);
    mark.setAttribute("role", "img");
    marks.append(mark);
  }
  button.append(make("span", "place", String(index + 1)), covered(track), text, marks);
  button.addEventListener("click", () => tellQueued(entry));
  item.append(button);
  return item;
}

function tellQueued([track, completed, skipped, source, known, reason, propensity]) {
  const facts = [["source", data.sources[source]], ["known", known ? "yes" : "no"], ["completion", plain(completed)], ["skip", plain(skipped)], ["propensity", plain(propensity)]];
  tellTrack(track, reason, facts);
}

function moveInQueue(event) {
  const from = event.target.closest(".queued");
  const rows = [...from.closest("ol").querySelectorAll(".queued")], place = rows.indexOf(from);
  const next = { ArrowDown: place + 1, ArrowUp: place - 1, Home: 0, End: rows.length - 1 }[event.key];
  if (next === undefined) return;
  event.preventDefault();
  const to = rows[Math.max(0, Math.min(rows.length - 1, next))];
  rows.forEach((row) => { row.tabIndex = row === to ? 0 : -1; });
  to.focus();
  to.scrollIntoView({ block: "nearest" });
}

function listenToQueues() {
  at("context").addEventListener("change", () => {
    openQueue(Number(at("context").value));
    at("said").textContent = `${contextName(playing.queue)}: ${counted(playing.queue.tracks.length, "track")}`;
  });
  at("queue-back").addEventListener("click", () => goTo(playing.at - 1));
  at("queue-next").addEventListener("click", () => goTo(playing.at + 1));
  at("queue-skip").addEventListener("click", skipNow);
  at("undo").addEventListener("click", () => {
    undoSkip();
    drawQueue();
    at("said").textContent = `The skip is undone. Plays now: ${named(entryAt(playing.at)[0])}`;
    at("queue-skip").focus();
  });
  for (const id of ["up-next", "heard"]) at(id).addEventListener("keydown", (event) => { if (event.target.closest(".queued")) moveInQueue(event); });
}
