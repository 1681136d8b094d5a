/* Keep and reject in place, on any page with pictures that have `data-image`: arrow keys move, k keeps, x rejects, u
   takes back. Without this script the same buttons are forms. Listens on the document, since pages exchange parts. */
(function () {
  "use strict";
  var words = { keep: "kept", reject: "rejected" }, done = [];
  function all() { return Array.prototype.slice.call(document.querySelectorAll("[data-image]")); }
  function link(tile) { return tile.querySelector("a.thumb"); }
  function form(name) { return document.getElementById("to-" + name); }
  function markOf(tile) { return tile.classList.contains("keep") ? "keep" : tile.classList.contains("reject") ? "reject" : null; }
  function say(text) {
    var place = document.querySelector("[data-said]");
    if (place) { place.textContent = text; }
  }
  function show(tile, mark) {
    var label = tile.querySelector(".mark");
    tile.classList.remove("keep", "reject");
    if (mark) { tile.classList.add(mark); }
    if (label) { label.hidden = !mark; label.textContent = mark ? words[mark] : ""; }
    [["k", "keep"], ["x", "reject"]].forEach(function (each) {
      var button = tile.querySelector("button." + each[0]);
      if (!button) { return; }
      button.setAttribute("form", mark === each[1] ? "to-clear" : "to-" + each[1]);
      button.setAttribute("aria-pressed", String(mark === each[1]));
    });
  }
  function showAll(image, mark) {
    all().forEach(function (tile) { if (tile.dataset.image === image) { show(tile, mark); } });
  }
  function send(name, fields, after, failed) {
    var target = form(name), body = new URLSearchParams();
    if (!target) { return; }
    body.set("csrftoken", target.elements.csrftoken.value);
    Object.keys(fields).forEach(function (key) { body.set(key, fields[key]); });
    fetch(target.action, {
      method: "POST", body: body, headers: { accept: "application/json", "x-csrftoken": body.get("csrftoken") },
    }).then(function (answer) { return answer.json(); }).then(function (answer) {
      if (!answer.ok) { throw new Error(answer.error); }
      after();
    }).catch(function (problem) { failed(); say("Not saved: " + problem.message); });
  }
  function mark(tile, wanted) {
    var image = tile.dataset.image, before = markOf(tile), next = before === wanted ? null : wanted;
    showAll(image, next);
    send(next || "clear", { image: image, mark: next || "clear" }, function () {
      done.push([image, before]);
      say(next ? words[next].charAt(0).toUpperCase() + words[next].slice(1) + "." : "Mark taken away.");
    }, function () { showAll(image, before); });
  }
  function undo() {
    var last = done.pop();
    if (!last) { return say("Nothing to take back on this page."); }
    send("undo", {}, function () { showAll(last[0], last[1]); say("Taken back."); }, function () { done.push(last); });
  }
  function step(tile, key) {
    var tiles = all(), at = tiles.indexOf(tile), here = tile.getBoundingClientRect(), best = null, least = Infinity;
    if (key === "ArrowLeft") { return tiles[at - 1]; }
    if (key === "ArrowRight") { return tiles[at + 1]; }
    tiles.forEach(function (other) {
      var there = other.getBoundingClientRect(), down = there.top - here.top;
      if (key === "ArrowDown" ? down < here.height / 2 : down > -here.height / 2) { return; }
      var far = Math.abs(down) * 4 + Math.abs(there.left + there.width / 2 - here.left - here.width / 2);
      if (far < least) { least = far; best = other; }
    });
    return best;
  }
  document.addEventListener("keydown", function (event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !/^(ArrowLeft|ArrowRight|ArrowUp|ArrowDown|k|x|u)$/.test(event.key)) { return; }
    if (event.target.closest && event.target.closest("input, select, textarea, [contenteditable]")) { return; }
    var tile = event.target.closest && event.target.closest("[data-image]");
    if (event.key === "u") { if (form("undo")) { event.preventDefault(); undo(); } return; }
    if (!tile) {
      if (/^Arrow(Right|Down)$/.test(event.key) && document.activeElement === document.body && all().length) {
        event.preventDefault();
        link(all()[0]).focus();
      }
      return;
    }
    if (event.key === "k" || event.key === "x") {
      if (form("keep")) { event.preventDefault(); mark(tile, event.key === "k" ? "keep" : "reject"); }
      return;
    }
    var next = step(tile, event.key);
    event.preventDefault();
    if (next) { link(next).focus(); link(next).scrollIntoView({ block: "nearest" }); }
  });
  document.addEventListener("click", function (event) {
    var button = event.target.closest && event.target.closest("button.k, button.x"), tile = button && button.closest("[data-image]");
    if (!tile) { return; }
    event.preventDefault();
    mark(tile, button.classList.contains("k") ? "keep" : "reject");
  });
})();
