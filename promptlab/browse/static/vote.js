/* Voting by key and without a page load: a vote is sent, answered, and only then the next pictures come, all at once. */
(function () {
  "use strict";
  var form = document.getElementById("ballot");
  if (!form) { return; }
  var kind = form.dataset.kind, said = document.getElementById("said"), busy = false;
  var undoForm = document.getElementById("undo"), skipForm = document.getElementById("skip");
  if (kind === "best_worst") { form.querySelector(".send").hidden = true; }

  function tell(text, wrong) { said.textContent = text; said.classList.toggle("wrong", Boolean(wrong)); }
  function count(yours) {
    if (yours === undefined) { return; }
    document.getElementById("yours").textContent = yours.toLocaleString("en");
    document.getElementById("noun").textContent = yours === 1 ? "vote" : "votes";
    undoForm.querySelector("button").disabled = !yours;
  }
  function wait(on) { busy = on; form.classList.toggle("waiting", on); form.setAttribute("aria-busy", String(on)); }

  function post(source, extra) {
    var body = new URLSearchParams(new FormData(source));
    ["best", "worst"].forEach(function (name) { body.delete(name); });
    Object.keys(extra || {}).forEach(function (name) { body.set(name, extra[name]); });
    return fetch(source.action, { method: "POST", body: body, headers: { accept: "application/json" } })
      .then(function (answer) {
        return answer.json().then(function (found) {
          if (!found.ok) { throw new Error(found.error || String(answer.status)); }
          return found;
        });
      });
  }
  /* The element that was loaded takes the old one's place: its file is asked for once. */
  function load(address, place) {
    var old = form.querySelectorAll(".shown img")[place], picture = new Image();
    ["alt", "width", "height", "draggable"].forEach(function (name) { picture.setAttribute(name, old.getAttribute(name)); });
    return new Promise(function (done, failed) {
      picture.onload = function () { done(picture); };
      picture.onerror = function () { failed(new Error("a picture did not arrive")); };
      picture.src = address;
    });
  }
  function next() {
    return fetch(form.dataset.json, { headers: { accept: "application/json" }, cache: "no-store" })
      .then(function (answer) { return answer.json(); })
      .then(function (found) {
        if (found.state !== "open") { location.reload(); return new Promise(function () {}); }
        return Promise.all(found.pictures.map(load)).then(function (pictures) { show(found, pictures); });
      });
  }
  function show(found, pictures) {
    document.querySelectorAll("input[name=token]").forEach(function (field) { field.value = found.token; });
    form.querySelectorAll(".shown img").forEach(function (old, place) { old.replaceWith(pictures[place]); });
    clear();
    count(found.yours);
  }
  function step(source, extra, words) {
    if (busy) { return; }
    wait(true);
    tell("");
    post(source, extra).then(function (answer) {
      count(answer.yours);
      return next().then(function () { tell(answer.reason || words(answer)); });
    }).catch(function (problem) {
      tell(problem instanceof TypeError ? "The server can't be reached: nothing is lost, try again." : "Not saved: " + problem.message + ".", true);
    }).then(function () { wait(false); });
  }

  var spoken = { left: "Left", right: "Right", tie: "No difference", bad: kind === "pair" ? "Both are bad" : "All are bad" };
  function vote(outcome) { step(form, { outcome: outcome }, function () { return "Saved: " + spoken[outcome].toLowerCase() + "."; }); }
  function undo() {
    if (chosen("best") !== null || chosen("worst") !== null) { clear(); return; }
    if (undoForm.querySelector("button").disabled) { return; }
    step(undoForm, {}, function (answer) { return answer.undone ? "Taken back: judge it again." : "There is nothing to take back."; });
  }
  function skip() { step(skipForm, {}, function () { return "Skipped."; }); }

  /* best and worst of four */
  function chosen(name) {
    var field = form.querySelector("input[name=" + name + "]:checked");
    return field ? field.value : null;
  }
  function clear() {
    form.querySelectorAll("input[type=radio]").forEach(function (field) { field.checked = false; });
    mark();
  }
  function mark() {
    form.querySelectorAll("fieldset.shown").forEach(function (each, place) {
      each.classList.toggle("is-best", chosen("best") === String(place));
      each.classList.toggle("is-worst", chosen("worst") === String(place));
    });
  }
  function pick(place) {
    if (busy) { return; }
    var name = chosen("best") === null ? "best" : "worst";
    if (name === "worst" && chosen("best") === String(place)) { clear(); return; }
    form.querySelector("input[name=" + name + "][value='" + place + "']").checked = true;
    settle();
  }
  function settle() {
    mark();
    var best = chosen("best"), worst = chosen("worst");
    if (best === null || worst === null) { tell(best === null ? "And the best?" : "And the worst?"); return; }
    if (best === worst) { clear(); tell("The best can't be the worst too.", true); return; }
    step(form, { outcome: "best", best: best, worst: worst }, function () {
      return "Saved: " + (Number(best) + 1) + " is the best, " + (Number(worst) + 1) + " the worst.";
    });
  }
  form.querySelectorAll("fieldset.shown").forEach(function (each, place) {
    each.addEventListener("click", function (event) { if (event.target.tagName === "IMG") { pick(place); } });
  });
  form.addEventListener("change", function (event) { if (event.target.type === "radio") { settle(); } });

  form.addEventListener("submit", function (event) {
    event.preventDefault();
    var button = event.submitter;
    if (button && button.value !== "best") { vote(button.value); }
  });
  undoForm.addEventListener("submit", function (event) { event.preventDefault(); undo(); });
  if (skipForm) { skipForm.addEventListener("submit", function (event) { event.preventDefault(); skip(); }); }
  document.addEventListener("keydown", function (event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) { return; }
    var key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    var radio = event.target.type === "radio";
    if (!radio && /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) { return; }
    if (kind === "pair" && key === "ArrowLeft") { vote("left"); }
    else if (kind === "pair" && key === "ArrowRight") { vote("right"); }
    else if (kind === "best_worst" && /^[1-4]$/.test(key)) { pick(Number(key) - 1); }
    else if (key === "t") { vote("tie"); }
    else if (key === "b") { vote("bad"); }
    else if (key === "u") { undo(); }
    else if (key === "s") { skip(); }
    else { return; }
    event.preventDefault();
  });
})();
