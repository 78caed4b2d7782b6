// Sends one photo at a time to the server and shows the answer.
"use strict";

const element = id => document.getElementById(id);
const [drop, file, choose, photo, map, mapped] = ["drop", "file", "choose", "photo", "map", "mapped"].map(element);
let request = new AbortController();
let maxBytes = Infinity; // size of a photo
let dragDepth = 0; // a drag enters and leaves every element on its way

function show(...ids) {
  for (const id of ["error", "waiting", "hint", "guesses", "time", "legend"]) {
    element(id).hidden = !ids.includes(id);
  }
}

function fail(text) {
  element("error").textContent = text;
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
  choose.textContent = "Choose another…";
  layers();
  // The server checks this too, but a browser that is still sending may miss its answer.
  if (image.size > maxBytes) return fail(`This photo is larger than ${Math.floor(maxBytes / 2 ** 20)} MiB. Choose a smaller one.`);
  show("waiting");
  try {
    const response = await fetch("predict?top=5&cam=1", { method: "POST", body: image, signal });
    const answer = await response.json();
    if (signal.aborted) return;
    if (!response.ok) return fail(answer.error);
    render(answer);
  } catch (problem) {
    if (signal.aborted) return;
    fail("The server did not answer. If it is still running, choose the photo again.");
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
  const frames = answer.first_of_frames ? " The image has several frames or pages; the first is used." : "";
  element("time").textContent = `Answered in ${Math.max(1, Math.round(answer.milliseconds))} ms.${frames}`;
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
  element("model").textContent = `${name}${data ? ", trained on " + data : ""}`;
  element("about").querySelector("summary").textContent =
    `It knows ${classes.length} classes and assigns every photo to one of them`;
  element("classes").textContent = classes.join(", ") +
    `. It sees the central ${transform.width}×${transform.height} pixels after the shorter side is resized to ${transform.resize}.`;
  element("about").hidden = false;
}).catch(() => fail("The server did not answer. Is it still running?"));
