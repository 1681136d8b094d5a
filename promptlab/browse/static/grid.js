/* Side by side: what a picture is, when it is looked at; a slider that changes every picture in place; picks without
   leaving the page. Without this script the same is links, forms and the image's own page. */
(function () {
  "use strict";
  var pages = {}, wanted = null;
  function fetchPage(address) {
    pages[address] = pages[address] || fetch(address, { headers: { accept: "text/html" } }).then(function (answer) {
      if (!answer.ok) { throw new Error(String(answer.status)); }
      return answer.text();
    }).then(function (text) { return new DOMParser().parseFromString(text, "text/html"); })
      .catch(function (problem) { delete pages[address]; throw problem; });
    return pages[address];
  }
  function preload(page) {
    return Promise.all(Array.prototype.map.call(page.querySelectorAll("#sheet .thumb img"), function (image) {
      var copy = new Image();
      copy.src = image.getAttribute("src");
      return copy.decode().catch(function () { /* it is shown as missing */ });
    }));
  }
  function heads(sheet) {
    return Array.prototype.map.call(sheet.querySelectorAll("th"), function (each) { return each.textContent; }).join("\n");
  }
  /* Where the rows are the same ones, cells change and nothing else moves; else the whole sheet does. */
  function show(page) {
    var old = document.getElementById("sheet"), fresh = page.getElementById("sheet").cloneNode(true);
    if (heads(old) !== heads(fresh)) { old.replaceWith(fresh); return; }
    var cells = old.querySelectorAll("td"), next = fresh.querySelectorAll("td");
    Array.prototype.forEach.call(cells, function (cell, at) {
      if (cell.innerHTML !== next[at].innerHTML) { cell.replaceChildren.apply(cell, next[at].childNodes); }
    });
    var forms = old.querySelectorAll("th form"), later = fresh.querySelectorAll("th form");
    Array.prototype.forEach.call(forms, function (form, at) { if (later[at]) { form.replaceWith(later[at]); } });
  }

  /* --- the slider --- */
  function stops() { return document.querySelectorAll(".scrub .stops a"); }
  function slideTo(at) {
    var bar = document.querySelector(".scrub"), all = stops(), stop = all[at];
    if (!stop) { return; }
    wanted = stop.href;
    bar.querySelector("[data-shown]").textContent = stop.dataset.value;
    var held = document.querySelector("[data-held]");
    if (held) { held.value = stop.dataset.value; }
    all.forEach(function (each) { each.removeAttribute("aria-current"); });
    stop.setAttribute("aria-current", "true");
    history.replaceState(history.state, "", stop.href);
    var sheet = document.getElementById("sheet");
    sheet.classList.add("waits");
    fetchPage(stop.href).then(function (page) {
      return preload(page).then(function () {
        if (wanted !== stop.href) { return; }
        show(page);
        document.getElementById("sheet").classList.remove("waits");
        [at + 1, at - 1, at + 2].forEach(function (near) {
          if (all[near]) { fetchPage(all[near].href).then(preload).catch(function () { /* it is asked for again */ }); }
        });
      });
    }).catch(function () { location.href = stop.href; });
  }
  function slider() {
    var bar = document.querySelector(".scrub"), range = bar && bar.querySelector("[data-slide]");
    if (!range || range.dataset.ready) { return; }
    range.dataset.ready = "1";
    range.hidden = false;
    bar.classList.add("slides");
    range.addEventListener("input", function () { slideTo(Number(range.value)); });
    bar.querySelector(".stops").addEventListener("click", function (event) {
      var at = Array.prototype.indexOf.call(stops(), event.target.closest("a"));
      if (at < 0 || event.ctrlKey || event.metaKey || event.shiftKey) { return; }
      event.preventDefault();
      range.value = at;
      slideTo(at);
    });
    var all = stops(), at = Number(range.value);
    [at + 1, at - 1].forEach(function (near) {
      if (all[near]) { fetchPage(all[near].href).then(preload).catch(function () { /* it is asked for again */ }); }
    });
  }
  slider();

  /* --- rows, columns, filters --- */
  document.addEventListener("change", function (event) {
    var form = event.target.closest && event.target.closest("form[data-layout]");
    if (!form || event.target.tagName !== "SELECT") { return; }
    if (/^(rows|columns|scrub)$/.test(event.target.name)) { /* what was held may be rows now */
      var held = form.querySelector("[data-held]");
      if (held) { held.disabled = true; }
    }
    form.querySelectorAll("select, input").forEach(function (each) { if (!each.value) { each.disabled = true; } });
    form.submit();
  });
  window.addEventListener("pageshow", function () {
    document.querySelectorAll("form[data-layout] :disabled").forEach(function (each) { each.disabled = false; });
  });

  /* --- picks: sent as the form says, and the page's sheet is fetched again --- */
  document.addEventListener("submit", function (event) {
    var form = event.target, by = event.submitter;
    if (!/^(best-|worst-|undo-pick)/.test(form.id)) { return; }
    event.preventDefault();
    var body = new URLSearchParams(new FormData(form)), image = by && by.closest("[data-image]");
    if (by && by.name) { body.set(by.name, by.value); }
    fetch(form.action, {
      method: "POST", body: body, headers: { accept: "application/json", "x-csrftoken": body.get("csrftoken") },
    }).then(function (answer) { return answer.json(); }).then(function (answer) {
      if (!answer.ok) { throw new Error(answer.error); }
      pages = {};
      return fetchPage(location.href).then(show).then(function () {
        var again = image && document.querySelector('[data-image="' + image.dataset.image + '"] a.thumb');
        if (again) { again.focus({ preventScroll: true }); }
      });
    }).catch(function (problem) {
      var said = document.querySelector("[data-said]");
      if (said) { said.textContent = "Not saved: " + problem.message; }
    });
  });

  /* --- what a picture is --- */
  var card = document.getElementById("about"), words = {}, timer = null, over = null;
  function place(thumb) {
    var box = thumb.getBoundingClientRect(), width = card.offsetWidth, height = card.offsetHeight;
    var left = box.right + 8 + width < innerWidth ? box.right + 8 : box.left - width - 8;
    if (left < 4) { left = Math.max(4, Math.min(box.left, innerWidth - width - 4)); }
    var top = Math.max(4, Math.min(box.top, innerHeight - height - 4));
    card.style.left = left + scrollX + "px";
    card.style.top = top + scrollY + "px";
  }
  function tell(thumb) {
    var figure = thumb.closest("[data-image]"), key = figure && figure.dataset.image;
    window.clearTimeout(timer);
    if (!key || !card) { return; }
    over = key;
    timer = window.setTimeout(function () {
      words[key] = words[key] || fetch(card.dataset.about.replace(/(\?|$)/, key + "$1")).then(function (answer) {
        if (!answer.ok) { throw new Error(String(answer.status)); }
        return answer.text();
      });
      words[key].then(function (text) {
        if (over !== key) { return; }
        var page = new DOMParser().parseFromString(text, "text/html");
        card.replaceChildren(document.adoptNode(page.querySelector(".about")));
        card.hidden = false;
        place(thumb);
      }).catch(function () { delete words[key]; });
    }, 180);
  }
  function hush() { window.clearTimeout(timer); over = null; if (card) { card.hidden = true; } }
  document.addEventListener("mouseover", function (event) {
    var thumb = event.target.closest && event.target.closest("#sheet a.thumb");
    if (thumb) { thumb.querySelector("img").title = ""; tell(thumb); } else { hush(); }
  });
  document.addEventListener("focusin", function (event) {
    var thumb = event.target.closest && event.target.closest("#sheet a.thumb");
    if (thumb) { tell(thumb); } else { hush(); }
  });
  document.addEventListener("keydown", function (event) { if (event.key === "Escape") { hush(); } });
  document.addEventListener("page-exchanged", function () {
    pages = {};
    card = document.getElementById("about");
    slider();
  });
})();
