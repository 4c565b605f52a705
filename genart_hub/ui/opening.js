// What stands in the app's place until it is there: the first screen's pictures move at once, and go when the app's own move in their place.
(() => {
  "use strict";
  const EVERY = 50, CALM = 3; // ms between two looks; looks for which nothing moves before the change
  const PATIENCE = 20_000; // ms after which the app is shown as it is
  const opening = document.getElementById("opening"), shown = [...opening.querySelectorAll("canvas")];
  const players = shown.map((canvas) => stage(canvas, JSON.parse(canvas.dataset.plays)));
  const until = performance.now() + PATIENCE;
  let before = "", calm = 0;

  const visible = (selector) => [...document.querySelectorAll(`gradio-app ${selector}`)].filter((one) => one.offsetParent);

  function look() {
    const [own, panels] = [visible(".answer .stage canvas"), visible("[role=tabpanel]")];
    const open = document.querySelector("gradio-app [role=tab][aria-selected=true]")?.dataset.tabId === opening.dataset.tab;
    const there = own.length >= shown.length && own.every((canvas) => stage.of(canvas)?.sheet);
    const places = [...own, ...panels].map((one) => Object.values(one.getBoundingClientRect().toJSON()).map(Math.round)).join();
    calm = open && there && panels.length && !visible(".loading").length && places === before ? calm + 1 : 0;
    before = places;
    if (calm < CALM && performance.now() < until) return setTimeout(look, EVERY);
    players.forEach((player, k) => {
      if (own[k]) stage.of(own[k])?.follow(player);
      player.stop();
    });
    opening.remove();
  }
  look();
})();
