// What pages do beyond HTML. Without this file every link and form works.
document.documentElement.classList.add("scripted");

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone && !document.cookie.includes(`tz=${zone}`)) {
  document.cookie = `tz=${zone}; Path=/; Max-Age=31536000; SameSite=Lax${location.protocol === "https:" ? "; Secure" : ""}`;
}

// One polite voice for the page: the last message wins, and at most one is said in five seconds.
const voice = Object.assign(document.createElement("p"), { className: "visually-hidden" });
voice.setAttribute("role", "status");
document.body.append(voice);
let saidAt = -Infinity;
let waiting;
function say(text, assertive = false) {
  voice.setAttribute("role", assertive ? "alert" : "status");
  clearTimeout(waiting);
  const pause = assertive ? 0 : Math.max(0, saidAt + 5000 - performance.now());
  waiting = setTimeout(() => { voice.textContent = text; saidAt = performance.now(); }, pause);
}

// How far the server's clock is ahead of the steady one here, once the stream has said it.
let ahead;
const steady = () => performance.timeOrigin + performance.now();

// Counts down on the server's clock: `now` is the server's time when the page was made, whatever the browser's says.
class HoldCountdown extends HTMLElement {
  connectedCallback() {
    const sentAt = performance.timeOrigin + (performance.getEntriesByType("navigation")[0]?.responseStart ?? 0);
    // Monotonic while the tab is awake; the wall clock only bridges sleep, by its difference.
    this.offset = ahead ?? Number(this.getAttribute("now")) - sentAt;
    this.wall = Date.now() - steady();
    this.ends = Number(this.getAttribute("ends"));
    this.label = this.dataset.label ?? "left";
    this.setAttribute("role", "timer");
    this.warned = Infinity;
    this.tick();
    this.timer = setInterval(() => this.tick(), 250);
  }
  disconnectedCallback() { clearInterval(this.timer); }
  now() {
    const monotonic = steady();
    const slept = Math.max(0, Date.now() - monotonic - this.wall);
    return monotonic + this.offset + (slept > 2000 && slept < 86400000 ? slept : 0);
  }
  tick() {
    const seconds = Math.max(0, Math.ceil((this.ends - this.now()) / 1000));
    if (seconds === this.seconds) return;
    this.seconds = seconds;
    const minutes = Math.floor(seconds / 60);
    const digits = `${minutes}:${String(seconds % 60).padStart(2, "0")}`;
    const words = seconds >= 60 ? `${Math.ceil(seconds / 60)} minute${seconds > 60 ? "s" : ""}` : `${seconds} seconds`;
    this.innerHTML = "";
    const shown = Object.assign(document.createElement("span"), { textContent: digits, className: "digits", ariaHidden: "true" });
    const told = Object.assign(document.createElement("span"), { className: "visually-hidden" });
    told.textContent = seconds >= 60 ? `about ${words} ${this.label}` : `less than a minute ${this.label}`;
    this.append(shown, told);
    this.announce(seconds, words);
    if (this.hasAttribute("data-title")) this.title_(minutes, seconds);
    if (!seconds) {
      clearInterval(this.timer);
      this.dispatchEvent(new CustomEvent("hold-ended", { bubbles: true }));
    }
  }
  title_(minutes, seconds) {
    const page = this.page ??= document.title;
    if (minutes !== this.titled) document.title = seconds ? `${minutes || "<1"} min left · ${page}` : page;
    this.titled = minutes;
  }
  announce(seconds, words) {
    const due = [600, 300, 120, 60, 30].find((mark) => seconds <= mark && this.warned > mark && seconds > mark - 5);
    if (due) say(`${words} ${this.label}`);
    this.warned = Math.min(this.warned, seconds);
    if (!seconds) say("The time is over.", true);
  }
}
customElements.define("hold-countdown", HoldCountdown);

// Where a countdown ends the page is asked again: the server decides what it is now. Without what stands behind #, with
// which a browser would stay on the page; and by GET, so that no form is sent again.
const askAgain = () => location.replace(location.pathname + location.search);
document.addEventListener("hold-ended", (event) => {
  if (event.target.dataset.then === "reload") setTimeout(askAgain, 400);
});

// A sentence that is said where it is put: at once as an alert, or politely as a status.
function noteOf(role, textContent, className = "") {
  const note = Object.assign(document.createElement("p"), { textContent, className });
  note.setAttribute("role", role);
  return note;
}

// Without a network a form stays, with what was typed: the browser would leave for an error page of its own. Before all
// others that listen, which take it for sent.
let unsent;
document.addEventListener("submit", (event) => {
  unsent?.remove();
  if (navigator.onLine) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  unsent = noteOf("alert", "Not sent: you are offline. Nothing is lost. Press the button again when you are connected.", "note bad");
  event.target.append(unsent);
}, true);

// The pressed button says what it does; after eight seconds also that waiting is safe.
document.addEventListener("submit", (event) => {
  const button = event.submitter;
  if (event.defaultPrevented || !button || event.target.method !== "post") return;
  if (event.target.dataset.sent) return event.preventDefault();
  event.target.dataset.sent = "yes";
  const label = [...button.childNodes];
  const busy = setTimeout(() => {
    button.setAttribute("aria-busy", "true");
    if (button.dataset.busy) button.textContent = button.dataset.busy;
  }, 400);
  const late = setTimeout(() => {
    button.after(noteOf("status", "This takes longer than usual. It is safe to wait."));
  }, 8000);
  // Who stops loading, or comes back, can press again: what is sent twice is done once.
  const ready = () => {
    clearTimeout(busy);
    clearTimeout(late);
    delete event.target.dataset.sent;
    button.removeAttribute("aria-busy");
    button.replaceChildren(...label);
  };
  addEventListener("pageshow", ready, { once: true });
  setTimeout(ready, 15000);
});

// A page out of the back/forward cache may be of before the purchase: ask again. A new listing's form keeps its key.
addEventListener("pageshow", (event) => {
  if (event.persisted && !document.querySelector("form[data-draft=new]")) location.reload();
});

// A page that was not to be had is asked for once more by itself; a reload of it is not.
const retry = document.querySelector("[data-retry]");
if (retry && performance.getEntriesByType("navigation")[0]?.type !== "reload") {
  retry.textContent = "This page tries again by itself in a moment.";
  setTimeout(() => location.reload(), 1000 * retry.dataset.retry);
}

const FORMATS = { clock: { timeStyle: "short" }, date: { dateStyle: "long" }, time: { dateStyle: "full", timeStyle: "short" } };
function prepare(root) {
  for (const time of root.querySelectorAll("time[data-local]")) {
    const format = new Intl.DateTimeFormat(document.documentElement.dataset.locale, FORMATS[time.dataset.local]);
    time.textContent = format.format(new Date(time.dateTime));
  }
  root.querySelector("[data-focus]")?.focus();
  // The secret of a mail's link stands behind #, which no server sees. It goes into its field and out of the address.
  const field = root.querySelector("[data-from-fragment]");
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (field && token) {
    field.value = token;
    history.replaceState(null, "", location.pathname + location.search);
  }
  for (const button of root.querySelectorAll("[data-print]")) button.addEventListener("click", () => print());
  for (const button of root.querySelectorAll("[data-shows]")) {
    button.addEventListener("click", () => {
      const input = document.getElementById(button.dataset.shows);
      input.type = input.type === "password" ? "text" : "password";
      button.setAttribute("aria-pressed", String(input.type === "text"));
    });
  }
  // Selected as well, for browsers that give no script the clipboard.
  for (const button of root.querySelectorAll("[data-copies]")) {
    button.addEventListener("click", () => {
      const input = document.getElementById(button.dataset.copies);
      input.select();
      navigator.clipboard?.writeText(input.value).then(() => say("Copied"), () => say("Selected: copy it yourself"));
    });
  }
  for (const input of root.querySelectorAll("input[data-zone]")) input.value ||= zone ?? "";
}
prepare(document);

// Empty fields stay out of the address of a search.
document.addEventListener("formdata", (event) => {
  if (!event.target.matches("[data-search]")) return;
  for (const [name, value] of [...event.formData]) if (!value) event.formData.delete(name);
});
document.addEventListener("htmx:after:swap", () => {
  const count = document.querySelector("#results [role=status]");
  if (count) say(count.textContent);
});

// Back may fetch the form anew, with another key: its place in the history keeps the first.
const key = document.querySelector("form[data-draft=new] [name=key]");
if (key) {
  key.value = history.state?.key ?? key.value;
  history.replaceState({ ...history.state, key: key.value }, "");
}

// A draft of a form is kept in this tab until it is sent or its writer signs out.
const draft = document.querySelector("form[data-draft]");
if (draft) {
  const place = `draft:${draft.dataset.draft}`;
  let changed = false;
  const kept = JSON.parse(sessionStorage.getItem(place) ?? "{}");
  for (const [name, value] of Object.entries(kept)) {
    const field = draft.elements[name];
    if (field && !field.value) field.value = value;
  }
  draft.addEventListener("input", () => {
    changed = true;
    sessionStorage.setItem(place, JSON.stringify(Object.fromEntries([...new FormData(draft)].filter(([name]) => name !== "key"))));
  });
  draft.addEventListener("submit", () => { changed = false; });
  addEventListener("beforeunload", (event) => { if (changed) event.preventDefault(); });
}
for (const done of document.querySelectorAll("[data-forget-draft]")) sessionStorage.removeItem(`draft:${done.dataset.forgetDraft}`);
document.addEventListener("submit", (event) => { if (event.target.action.endsWith("/signout")) sessionStorage.clear(); });

// Listens while its page is looked at. The server says how each ticket is, then what changes; see pages/live.py.
class LiveFeed extends HTMLElement {
  connectedCallback() {
    this.failures = 0;
    this.innerHTML = '<button type="button" class="link small no-print"></button> <span class="small soft" role="status"></span>';
    [this.button, this.status] = this.children;
    this.button.addEventListener("click", () => {
      localStorage.setItem("live", this.isPaused ? "" : "paused");
      this.update();
    });
    this.onVisibility = () => this.update();
    document.addEventListener("visibilitychange", this.onVisibility);
    addEventListener("pagehide", this.onHide = () => this.close());
    this.update();
  }
  disconnectedCallback() {
    document.removeEventListener("visibilitychange", this.onVisibility);
    removeEventListener("pagehide", this.onHide);
    this.close();
  }
  get isPaused() { return localStorage.getItem("live") === "paused"; }
  get address() {
    const versions = this.dataset.tickets.trim().split(/\s+/).map((id) => {
      const shown = document.getElementById(id);
      return `${id.slice(7)}.${shown?.dataset.version ?? this.dataset.version ?? 0}`;
    });
    return `/live?view=${this.dataset.view}&tickets=${versions}${this.dataset.about ? `&${this.dataset.about}` : ""}`;
  }
  update() {
    this.button.textContent = this.isPaused ? "Resume live updates" : "Pause live updates";
    if (document.hidden || this.isPaused) this.close();
    else if (!this.stream) this.open();
  }
  open() {
    clearTimeout(this.again);
    const stream = this.stream = new EventSource(this.address);
    stream.onopen = () => { this.failures = 0; clearTimeout(this.slow); this.slow = null; this.status.textContent = ""; };
    stream.onerror = () => this.reopen(Math.min(15000, 1000 * 2 ** this.failures++));
    stream.addEventListener("clock", (event) => { ahead = Number(event.data) - steady(); });
    stream.addEventListener("end", () => this.reopen(0));
    stream.addEventListener("signed-out", askAgain);
    stream.addEventListener("ticket", (event) => this.show(event.data));
    stream.addEventListener("changed", () => refresh());
  }
  close() {
    clearTimeout(this.again);
    this.stream?.close();
    this.stream = null;
  }
  // With jitter, so that all who lost one replica do not come at once.
  reopen(milliseconds) {
    this.close();
    if (milliseconds) this.slow ??= setTimeout(() => { this.status.textContent = "Reconnecting…"; }, 5000);
    this.again = setTimeout(() => this.update(), milliseconds + 500 + 2500 * Math.random());
  }
  show(html) {
    const template = document.createElement("template");
    template.innerHTML = html;
    const fresh = template.content.firstElementChild;
    const shown = document.getElementById(fresh.id);
    if (!shown || Number(shown.dataset.version) >= Number(fresh.dataset.version)) return;
    const focused = shown.contains(document.activeElement);
    const before = shown.dataset.price;
    shown.replaceWith(fresh);
    if (focused) (fresh.querySelector("button, a") ?? fresh).focus();
    if (before === fresh.dataset.price) return say(fresh.dataset.says);
    say(`Price changed from ${before} to ${fresh.dataset.price}`);
    const price = fresh.querySelector(".price");
    const old = Object.assign(document.createElement("s"), { className: "was", textContent: before });
    price?.prepend(old, " ");
    setTimeout(() => old.remove(), 10000);
    // A click that was meant for the old price does not buy at the new one.
    const button = fresh.querySelector("button");
    if (button) {
      button.disabled = true;
      setTimeout(() => { button.disabled = false; }, 1000);
    }
  }
}
customElements.define("live-feed", LiveFeed);

// The page as the server has it now, unless somebody is typing in it.
async function refresh() {
  const main = document.querySelector("main");
  // While it pays, or says how that ended, the card form leads on by itself.
  if (main.querySelector("card-form [aria-busy=true], card-form [role=alert]")) return;
  if (main.querySelector("input:not([type=radio]):focus, textarea:focus, select:focus, iframe:focus, dialog[open]")) {
    return say("This page has changed. Load it again to see how.");
  }
  const answer = await fetch(location.href, { headers: { accept: "text/html" } }).catch(() => null);
  if (!answer?.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const focused = main.contains(document.activeElement);
  main.replaceChildren(...fresh.querySelector("main").childNodes);
  document.title = fresh.title;
  prepare(main);
  const heading = main.querySelector("h1");
  if (focused && heading) {
    heading.tabIndex = -1;
    heading.focus();
  }
  say(heading?.textContent ?? fresh.title);
}
