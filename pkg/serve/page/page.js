// Sends one photo at a time to the server and shows the answer.
"use strict";

const element = id => document.getElementById(id);

// The language is the one that was chosen on the page, or the first of the browser's that the page has.
let language = "en";
try {
  language = localStorage.getItem("language");
} catch { /* a browser may forbid it */ }
if (!(language in words)) {
  language = navigator.languages.map(tag => tag.split("-")[0].toLowerCase()).find(tag => tag in words) || "en";
}

// say returns words in the language, with values in place of their names in braces.
function say(key, values = {}) {
  return words[language][key].replace(/\{(\w+)\}/g, (braces, name) => name in values ? values[name] : braces);
}

// What the script has said, by element, to say it again in another language.
const said = new Map();

function write(target, ...texts) {
  said.set(target, texts);
  target.textContent = texts.map(([key, values]) => say(key, values)).join("");
}

function translate() {
  document.documentElement.lang = language === "zh" ? "zh-CN" : language;
  for (const target of document.querySelectorAll("[data-words]")) target.textContent = say(target.dataset.words);
  for (const name of ["aria-label", "alt"]) {
    for (const target of document.querySelectorAll(`[data-words-${name}]`)) target.setAttribute(name, say(target.getAttribute(`data-words-${name}`)));
  }
  for (const [target, texts] of said) write(target, ...texts);
  element("language").lang = language === "zh" ? "en" : "zh-CN";
}

// nameOf returns the name of images, of which the server has the English one.
function nameOf(data) {
  for (const [key, pattern] of Object.entries({
    builtIn: /^(?<name>.+) \(built-in\)$/,
    perClass: /^(?<name>.+), first (?<n>\d+) per class$/,
    firstOf: /^(?<name>.+), first (?<n>\d+)$/,
    withoutValidation: /^(?<name>.+), without (?<n>\d+) for validation$/,
    pictures: /^pictures in (?<name>.+)$/,
  })) {
    const parts = data.match(pattern);
    if (parts) return say(key, { ...parts.groups, name: nameOf(parts.groups.name) });
  }
  return data;
}

const [drop, file, choose, photo, map, mapped] = ["drop", "file", "choose", "photo", "map", "mapped"].map(element);
let request = new AbortController();
let maxBytes = Infinity; // size of a photo
let dragDepth = 0; // a drag enters and leaves every element on its way

function show(...ids) {
  for (const id of ["error", "waiting", "hint", "guesses", "time", "legend"]) {
    element(id).hidden = !ids.includes(id);
  }
}

function fail(key, values) {
  write(element("error"), [key, values]);
  show("error");
}

async function predict(image) {
  request.abort(); // only the newest photo counts
  const { signal } = request = new AbortController();
  URL.revokeObjectURL(photo.src);
  photo.src = URL.createObjectURL(image);
  map.removeAttribute("src");
  element("toggle").hidden = true;
  element("invitation").hidden = true;
  element("shown").hidden = false;
  drop.classList.add("full");
  write(choose, ["another"]);
  layers();
  // The server checks this too, but a browser that is still sending may miss its answer.
  if (image.size > maxBytes) return fail("large", { mib: Math.floor(maxBytes / 2 ** 20) });
  show("waiting");
  try {
    const response = await fetch("predict?top=5&cam=1", { method: "POST", body: image, signal });
    const answer = await response.json();
    if (signal.aborted) return;
    if (!response.ok) return fail("refused" + response.status in words.en ? "refused" + response.status : "refused", { error: answer.error });
    render(answer);
  } catch (problem) {
    if (signal.aborted) return;
    fail("gone");
  }
}

function render(answer) {
  const bars = answer.guesses.map(({ class: name, probability }) => {
    const percent = (100 * probability).toFixed(1) + "%";
    const text = probability > 0 && probability < 0.0005 ? "< 0.1%" : percent;
    const item = document.createElement("li");
    for (const [kind, words] of [["class", name], ["probability", text], ["track", ""]]) {
      const part = document.createElement("span");
      part.className = kind;
      part.textContent = words;
      item.append(part);
    }
    const bar = document.createElement("div");
    bar.className = "bar";
    bar.style.width = "0";
    item.lastChild.append(bar);
    requestAnimationFrame(() => requestAnimationFrame(() => { bar.style.width = percent; }));
    return item;
  });
  element("guesses").replaceChildren(...bars);
  write(element("time"), ["answered", { ms: Math.max(1, Math.round(answer.milliseconds)) }], ...(answer.first_of_frames ? [["frames"]] : []));
  element("first").textContent = answer.guesses[0].class;
  if (answer.cam) map.src = answer.cam;
  element("toggle").hidden = !answer.cam;
  show("guesses", "time", ...(answer.cam ? ["legend"] : []));
  layers();
}

// layers shows the photo with or without the map.
function layers() {
  const over = map.hasAttribute("src") && mapped.checked;
  map.hidden = !over;
  photo.hidden = over;
}

// Not an image, or a format that only the server can read.
photo.addEventListener("error", () => {
  element("shown").hidden = true;
  element("invitation").hidden = false;
  drop.classList.remove("full");
});

function take(files) {
  if (files && files.length > 0) predict(files[0]);
}

element("language").addEventListener("click", () => {
  language = language === "en" ? "zh" : "en";
  try {
    localStorage.setItem("language", language);
  } catch { /* then the choice holds for this visit */ }
  translate();
});

choose.addEventListener("click", () => file.click());
file.addEventListener("change", () => {
  take(file.files);
  file.value = ""; // so that the same file can be chosen again
});
mapped.addEventListener("change", layers);

document.addEventListener("paste", event => take(event.clipboardData.files));
document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "o") file.click();
  if (event.key === "m" && !element("toggle").hidden) mapped.click();
});

// A photo can be dropped anywhere on the page.
document.addEventListener("dragenter", () => { dragDepth++; drop.classList.add("over"); });
document.addEventListener("dragleave", () => { if (--dragDepth <= 0) drop.classList.remove("over"); });
document.addEventListener("dragover", event => event.preventDefault());
document.addEventListener("drop", event => {
  event.preventDefault();
  dragDepth = 0;
  drop.classList.remove("over");
  take(event.dataTransfer.files);
});

fetch("model").then(response => response.json()).then(model => {
  const { name, data, classes, transform, bytes } = model;
  maxBytes = bytes;
  if (data) write(element("model"), ["trained", { name, get data() { return nameOf(data); } }]);
  else element("model").textContent = name;
  write(element("about").querySelector("summary"), ["knows", { n: classes.length }]);
  const { width, height, resize } = transform;
  write(element("classes"), ["sees", { get classes() { return classes.join(say("listed")); }, width, height, resize }]);
  element("about").hidden = false;
}).catch(() => fail("running"));

translate();
