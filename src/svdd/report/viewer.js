"use strict";
// Shows structures with Mol*, whose code and data are in the page; if that fails, the page's pictures are all there is.
const part = document.getElementById("scene");
const scene = JSON.parse(document.getElementById("scene-data").textContent);
const choices = [...part.querySelectorAll("button")];
const looks = {
  extensions: ["mvs"], layoutIsExpanded: false, layoutShowControls: false, layoutShowSequence: false,
  layoutShowLog: false, layoutShowLeftPanel: false, viewportShowExpand: false, viewportShowControls: false,
  viewportShowSettings: false, viewportShowSelectionMode: false, viewportShowAnimation: false,
};

async function code() {
  const packed = Uint8Array.from(atob(document.getElementById("scene-code").textContent), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const text = new Blob([await new Response(stream).blob()], { type: "text/javascript" });
  return (await import(URL.createObjectURL(text))).default;
}

function states() {
  const places = scene.texts.map((text) => URL.createObjectURL(new Blob([text])));
  return scene.states.map((state) => JSON.stringify(state).replace(/"text:(\d+)"/g, (_, n) => JSON.stringify(places[n])));
}

async function start() {
  const told = {}, drawn = states();
  const given = {
    width: "100%", height: "100%", msvj_data: drawn[0], viewer_options: looks,
    mvs_load_options: { replaceExisting: true, sanityChecks: false },
  };
  const choose = (chosen) => choices.forEach((one, n) => one.setAttribute("aria-pressed", String(n === chosen)));
  choices.forEach((one, n) => one.addEventListener("click", () => {
    given.msvj_data = drawn[n];
    choose(n);
    told["change:msvj_data"]?.();
  }));
  choose(0);
  const model = { get: (name) => given[name], on: (event, act) => { told[event] = act; } };
  (await code()).render({ model, el: document.getElementById("scene-view") });
}

part.hidden = false;
new IntersectionObserver((seen, watch) => {
  if (!seen.some((one) => one.isIntersecting)) return;
  watch.disconnect();
  start().catch(() => { part.hidden = true; });
}).observe(part);
