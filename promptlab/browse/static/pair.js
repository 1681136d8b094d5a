/* Two pictures over each other: slider, overlay, difference, one zoom for both, keys; the next pair without a wait. */
(function () {
  "use strict";
  var VIEWS = ["side", "slider", "overlay", "difference"];
  var at = { zoom: 1, x: 0, y: 0, edge: 50, mix: 50, gain: 4, view: "side" };
  var pages = new Map();
  var stage, slide, output;

  function one(selector) { return document.querySelector(selector); }

  /* --- drawing ------------------------------------------------------------------------------------------------ */

  function place() {
    var most = stage.clientWidth, high = stage.clientHeight;
    var room = { x: most * (at.zoom - 1) / 2, y: high * (at.zoom - 1) / 2 };
    at.x = Math.max(-room.x, Math.min(room.x, at.x));
    at.y = Math.max(-room.y, Math.min(room.y, at.y));
    stage.style.setProperty("--z", at.zoom);
    stage.style.setProperty("--x", at.x + "px");
    stage.style.setProperty("--y", at.y + "px");
    stage.classList.toggle("zoomed", at.zoom > 1);
    one(".zoom output").textContent = Math.round(at.zoom * 100) + " %";
  }
  function zoom(factor, event) {
    var before = at.zoom, box = stage.getBoundingClientRect();
    at.zoom = Math.max(1, Math.min(16, factor === 0 ? 1 : before * factor));
    if (event && at.zoom !== before) { /* the point below the pointer stays where it is */
      var half = at.view === "side" ? box.width / 4 : box.width / 2;
      var px = (event.clientX - box.left) % (half * 2) - half, py = event.clientY - box.top - box.height / 2;
      at.x = px - (px - at.x) * at.zoom / before;
      at.y = py - (py - at.y) * at.zoom / before;
    }
    place();
  }
  function slideTo(value) {
    value = Math.max(0, Math.min(100, value));
    if (at.view === "slider") { at.edge = value; }
    if (at.view === "overlay") { at.mix = value; }
    if (at.view === "difference") { at.gain = 1 + Math.round(value / 100 * 15); }
    setSlide();
    if (at.view === "difference") { difference(); }
  }
  function setSlide() {
    var box = one(".slide"), label = box.querySelector("label");
    box.hidden = at.view === "side";
    stage.style.setProperty("--edge", at.edge + "%");
    stage.style.setProperty("--mix", at.mix / 100);
    if (at.view === "slider") { label.textContent = "Edge"; slide.value = at.edge; output.textContent = ""; }
    if (at.view === "overlay") { label.textContent = "B over A"; slide.value = at.mix; output.textContent = at.mix + " %"; }
    if (at.view === "difference") { label.textContent = "Stronger"; slide.value = (at.gain - 1) / 15 * 100; }
  }
  function setView(view, quietly) {
    at.view = view;
    VIEWS.forEach(function (name) { stage.classList.toggle("view-" + name, name === view); });
    document.querySelectorAll(".modes a").forEach(function (link) {
      if (link.dataset.view === view) { link.setAttribute("aria-current", "true"); } else { link.removeAttribute("aria-current"); }
    });
    document.querySelectorAll("#pair a[href*='pair=']").forEach(function (link) {
      if (!link.dataset.view) { link.href = withView(link.href); }
    });
    if (!quietly) { history.replaceState(history.state, "", withView(location.href)); }
    setSlide();
    place();
    if (view === "difference") { difference(); }
  }
  function withView(address) {
    var url = new URL(address, location.href);
    url.searchParams.set("view", at.view);
    return url.href;
  }

  /* |A − B| of each colour, times a gain, at up to a thousand pixels; B is laid on A's size. */
  function difference() {
    var images = stage.querySelectorAll("img");
    if (!images[0].naturalWidth || !images[1].naturalWidth) { return; }
    var scale = Math.min(1, 1024 / Math.max(images[0].naturalWidth, images[0].naturalHeight));
    var w = Math.max(1, Math.round(images[0].naturalWidth * scale));
    var h = Math.max(1, Math.round(images[0].naturalHeight * scale));
    var data = Array.prototype.map.call(images, function (image) {
      var canvas = document.createElement("canvas");
      canvas.width = w;
      canvas.height = h;
      var pen = canvas.getContext("2d", { willReadFrequently: true });
      pen.drawImage(image, 0, 0, w, h);
      return pen.getImageData(0, 0, w, h);
    });
    var a = data[0].data, b = data[1].data, sum = 0, far = 0;
    for (var i = 0; i < a.length; i += 4) {
      var largest = 0;
      for (var c = i; c < i + 3; c += 1) {
        var gap = Math.abs(a[c] - b[c]);
        sum += gap;
        largest = Math.max(largest, gap);
        a[c] = Math.min(255, gap * at.gain);
      }
      a[i + 3] = 255;
      if (largest > 16) { far += 1; }
    }
    var pane = stage.querySelector(".pane.b"), canvas = pane.querySelector("canvas");
    if (!canvas) {
      canvas = document.createElement("canvas");
      canvas.setAttribute("role", "img");
      pane.appendChild(canvas);
    }
    canvas.width = w;
    canvas.height = h;
    canvas.getContext("2d").putImageData(data[0], 0, 0);
    stage.classList.add("computed");
    var words = (100 * far / (w * h)).toFixed(1) + " % of the pixels differ, " + (sum / (w * h * 3)).toFixed(1) + " of 255 on average; shown × " + at.gain;
    canvas.setAttribute("aria-label", "The difference: " + words);
    output.textContent = words;
  }

  /* --- the next pair ------------------------------------------------------------------------------------------ */

  function page(address) {
    if (!pages.has(address)) {
      if (pages.size > 12) { pages.delete(pages.keys().next().value); }
      pages.set(address, fetch(address, { headers: { accept: "text/html" } }).then(function (answer) {
        if (!answer.ok) { throw new Error(String(answer.status)); }
        return answer.text();
      }).then(function (text) { return new DOMParser().parseFromString(text, "text/html"); }));
    }
    return pages.get(address);
  }
  function ahead() {
    ["next", "prev"].forEach(function (way) {
      var link = one("#pair a[rel=" + way + "]");
      if (!link) { return; }
      page(link.href).then(function (found) {
        found.querySelectorAll("#pair .stage img").forEach(function (image) { new Image().src = image.getAttribute("src"); });
      }).catch(function () { pages.delete(link.href); });
    });
  }
  function go(address, quietly) {
    var focused = document.activeElement && document.activeElement.closest(".stage, .pairs, .turn");
    var where = focused && (focused.classList.contains("stage") ? ".stage" : focused.classList.contains("pairs") ? ".pairs [aria-current]" : null);
    page(address).then(function (found) {
      var fresh = found.querySelector("#pair"), old = one("#pair");
      if (!fresh || !old) { location.href = address; return; }
      old.replaceWith(document.importNode(fresh, true));
      pages.delete(address); /* its marks may change */
      document.title = found.title;
      if (!quietly) { history.pushState({ pair: true }, "", address); }
      start();
      if (where && one("#pair " + where)) { one("#pair " + where).focus({ preventScroll: true }); }
    }).catch(function () { location.href = address; });
  }

  /* --- hands and keys ----------------------------------------------------------------------------------------- */

  function dragging() {
    var from = null, fingers = new Map(), apart = 0;
    function gap() {
      var two = Array.from(fingers.values());
      return Math.hypot(two[0].clientX - two[1].clientX, two[0].clientY - two[1].clientY);
    }
    stage.addEventListener("pointerdown", function (event) {
      fingers.set(event.pointerId, event);
      if (fingers.size === 2) { apart = gap(); }
      from = { px: event.clientX, py: event.clientY, x: at.x, y: at.y };
      stage.setPointerCapture(event.pointerId);
      stage.classList.add("dragging");
      if (at.view === "slider" && at.zoom === 1) { wipe(event); }
    });
    stage.addEventListener("pointermove", function (event) {
      if (!from || !fingers.has(event.pointerId)) { return; }
      fingers.set(event.pointerId, event);
      if (fingers.size === 2) {
        var now = gap();
        zoom(now / (apart || now));
        apart = now;
      } else if (at.view === "slider" && at.zoom === 1) {
        wipe(event);
      } else if (at.zoom > 1) {
        at.x = from.x + event.clientX - from.px;
        at.y = from.y + event.clientY - from.py;
        place();
      }
    });
    ["pointerup", "pointercancel"].forEach(function (name) {
      stage.addEventListener(name, function (event) {
        fingers.delete(event.pointerId);
        if (!fingers.size) { from = null; stage.classList.remove("dragging"); }
      });
    });
    stage.addEventListener("wheel", function (event) {
      event.preventDefault();
      zoom(Math.exp(-event.deltaY / 300), event);
    }, { passive: false });
    stage.addEventListener("dblclick", function (event) { zoom(at.zoom > 1 ? 0 : 3, event); });
  }
  function wipe(event) {
    var box = stage.getBoundingClientRect();
    slideTo(Math.round(100 * (event.clientX - box.left) / box.width));
  }
  function value() { return at.view === "slider" ? at.edge : at.view === "overlay" ? at.mix : (at.gain - 1) / 15 * 100; }
  function key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) || !stage) { return; }
    var moves = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };
    var turns = { ArrowLeft: "prev", ArrowRight: "next", p: "prev", n: "next" };
    if (moves[event.key] && at.zoom > 1) {
      at.x += moves[event.key][0];
      at.y += moves[event.key][1];
      place();
    } else if (turns[event.key]) {
      var link = one("#pair a[rel=" + turns[event.key] + "]");
      if (!link) { return; }
      go(link.href);
    } else if (/^[1-4]$/.test(event.key)) { setView(VIEWS[event.key - 1]);
    } else if (event.key === "+" || event.key === "=") { zoom(1.25);
    } else if (event.key === "-" || event.key === "−") { zoom(0.8);
    } else if (event.key === "0") { zoom(0);
    } else if (event.key === "[") { slideTo(value() - 5);
    } else if (event.key === "]") { slideTo(value() + 5);
    } else if (event.key === "s") { var swap = one(".swap"); if (swap) { location.href = swap.href; }
    } else { return; }
    event.preventDefault();
  }

  function start() {
    stage = one(".stage");
    if (!stage) { return; }
    slide = one("#slide");
    output = one(".slide output");
    one(".zoom").hidden = false;
    slide.addEventListener("input", function () { slideTo(Number(slide.value)); });
    one(".zoom").addEventListener("click", function (event) {
      var how = event.target.dataset.zoom;
      if (how) { zoom(how === "in" ? 1.25 : how === "out" ? 0.8 : 0); }
    });
    stage.querySelectorAll("img").forEach(function (image) {
      image.addEventListener("load", function () { if (at.view === "difference") { difference(); } });
    });
    dragging();
    setView(at.view, true);
    ahead();
  }
  /* The verdict on a long run takes longer than a page may. */
  function later() {
    var place = one(".headline[data-later]");
    if (!place) { return; }
    var before = Array.from(place.childNodes);
    place.textContent = "…";
    fetch(place.dataset.later, { headers: { accept: "application/json" } }).then(function (answer) {
      return answer.json();
    }).then(function (answer) {
      if (answer.verdict) { place.textContent = answer.verdict; } else { place.remove(); }
    }).catch(function () { place.replaceChildren.apply(place, before); });
  }
  document.addEventListener("click", function (event) {
    var link = event.target.closest("#pair .modes a, #pair .turn a, #pair .pairs a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) { return; }
    event.preventDefault();
    if (link.dataset.view) { setView(link.dataset.view); } else { go(link.href); }
  });
  document.addEventListener("keydown", key);
  document.addEventListener("promptlab:marked", function () { pages.clear(); });
  window.addEventListener("popstate", function () { go(location.href, true); });
  /* While a run writes, promptlab.js exchanges the page's main part. */
  new MutationObserver(function () {
    if (stage && !document.contains(stage)) { start(); }
  }).observe(document.body, { childList: true });
  var asked = new URL(location.href).searchParams.get("view");
  at.view = VIEWS.indexOf(asked) >= 0 ? asked : "side";
  start();
  later();
})();
