/* The review queue. What was judged is sent in the background, one after the other, and called saved when the server
   has said so; until then it is kept in this browser's storage, also over a reload or a crash. Each judgement has a name
   of its own, so that sending it twice does it once. */
(function () {
  "use strict";
  var root = document.getElementById("review");
  if (!root || !window.fetch || !window.URL) { return; }
  var data = root.dataset, box = document.getElementById("step"), run = data.run;
  var AHEAD = data.view === "one" ? 6 : 3, KEPT = 30, STORE = "promptlab-review:" + data.mark + ":" + run + ":" + data.who + ":";
  var token = data.token, writes = Boolean(data.write && data.who);
  var items = {}, trail = [], at = -1, loading = null, exhausted = false, first = document.querySelector("#step > article");
  var queue = [], sending = null, done = [], failures = 0, timer = null, refused = false, marks = {}, counts = {};
  var between = null, unreachable = false; /* between two pictures; whether the server did not answer last time */

  /* --- small things --- */
  function all(selector, from) { return Array.prototype.slice.call((from || root).querySelectorAll(selector)); }
  function once() {
    var bytes = new Uint8Array(16);
    window.crypto.getRandomValues(bytes);
    return Array.prototype.map.call(bytes, function (each) { return ("0" + each.toString(16)).slice(-2); }).join("");
  }
  function say(text) {
    var state = document.getElementById("state");
    if (state.textContent !== text) { state.textContent = text; }
  }
  function plural(number, word) { return number + " " + word + (number === 1 ? "" : "s"); }
  function address(more) {
    var url = new URL(data.json, location.href);
    Object.keys(more).forEach(function (name) { if (more[name] !== undefined) { url.searchParams.set(name, more[name]); } });
    return url.href;
  }
  function held() { return trail.slice(at < 0 ? 0 : at).map(function (key) { return items[key].images[0].id; }).join(","); }

  /* --- what comes next --- */
  function node(item) {
    if (!item.node) {
      var template = document.createElement("template");
      template.innerHTML = item.html;
      item.node = template.content.querySelector("article");
      document.adoptNode(item.node); /* out of the template, where pictures do not load */
      all(".full img", item.node).forEach(function (image) {
        image.src = image.getAttribute("src");
        if (image.decode) { image.decode().catch(function () { /* shown as broken where it is */ }); }
      });
    }
    paint(item.node);
    return item.node;
  }
  function learn(answer) {
    if (answer.csrftoken) { token = answer.csrftoken; }
    if (!queue.length) { counts = answer.counts; showCounts(); }
    answer.items.forEach(function (item) {
      if (!items[item.key]) { items[item.key] = item; }
      item.images.forEach(function (image) { if (!(image.id in marks)) { marks[image.id] = { mark: image.mark, saved: true }; } });
    });
    return answer.items.map(function (item) { return item.key; });
  }
  function ask(more) {
    more.hold = held();
    return fetch(address(more), { headers: { accept: "application/json" } }).then(function (answer) {
      if (!answer.ok) { throw new Error(String(answer.status)); }
      return answer.json();
    });
  }
  function load(now) {
    if (loading || exhausted || (!now && trail.length - 1 - at >= AHEAD)) { return loading || Promise.resolve(); }
    var last = trail[trail.length - 1];
    loading = ask({ after: last, count: AHEAD, html: 1 }).then(function (answer) {
      var ahead = trail.slice(at), fresh = learn(answer).filter(function (key) {
        return ahead.indexOf(key) < 0 && !(data.show === "unjudged" && judged(items[key]));
      });
      fresh.forEach(function (key) { trail.push(key); node(items[key]); });
      exhausted = !fresh.length;
      loading = null;
      offline(false);
      if (at < 0 && trail.length) { show(0); } /* there was nothing to judge, and now there is */
    }).catch(function () { loading = null; offline(true); });
    return loading;
  }
  function judged(item) { return item.images.every(function (image) { return marks[image.id] && marks[image.id].mark; }); }
  function show(place) {
    at = place;
    between = null;
    var item = items[trail[at]];
    box.replaceChildren(node(item));
    var keep = new URL(location.href);
    ["after", "before"].forEach(function (name) { keep.searchParams.delete(name); });
    keep.searchParams.set("at", item.key);
    history.replaceState(null, "", keep.pathname + keep.search);
    trail.slice(0, Math.max(0, at - KEPT)).forEach(function (key) { delete items[key].node; });
    load();
  }
  function onward(skipJudged) {
    var place = at + 1;
    while (skipJudged && place < trail.length && judged(items[trail[place]])) { place += 1; }
    if (place < trail.length) { return show(place); }
    if (between === null) { /* nothing to judge until there is a picture: no key may hit the last one */
      var words = document.createElement("p");
      words.className = "empty";
      words.textContent = "Loading…";
      box.replaceChildren(words);
    }
    between = skipJudged;
    if (exhausted) { return end(); }
    load(true).then(function () { if (between !== null && !unreachable) { onward(between); } });
  }
  function end() {
    if (queue.length) { window.setTimeout(function () { if (between !== null) { end(); } }, 200); return; }
    var url = new URL(location.href);
    url.searchParams.delete("at");
    location.replace(url.pathname + url.search); /* the page says what is left, or that all is done */
  }
  function back() {
    if (between !== null) { return show(at); }
    if (at > 0) { return show(at - 1); }
    ask({ before: trail[0], count: 1, html: 1 }).then(function (answer) {
      var key = learn(answer)[0];
      if (!key || trail.indexOf(key) >= 0) { return; }
      trail.unshift(key);
      show(0);
    }).catch(function () { offline(true); });
  }
  function jump(id) {
    ask({ at: id, count: 1, html: 1 }).then(function (answer) {
      var key = learn(answer)[0];
      if (!key) { return; }
      var place = trail.indexOf(key);
      if (place < 0) { trail.splice(at + 1, 0, key); place = at + 1; }
      show(place);
    }).catch(function () { offline(true); });
  }

  /* --- what is said about it --- */
  function showCounts() {
    Object.keys(counts).forEach(function (name) {
      all("[data-count=" + name + "]").forEach(function (each) { each.textContent = counts[name].toLocaleString("en"); });
    });
    var bar = root.querySelector("progress");
    bar.max = counts.total || 1;
    bar.value = counts.judged;
  }
  function paint(inside) {
    all("[data-image]", inside).forEach(function (figure) {
      var mark = marks[figure.dataset.image], word = figure.querySelector(".mark");
      if (!mark) { return; }
      figure.classList.toggle("keep", mark.mark === "keep");
      figure.classList.toggle("reject", mark.mark === "reject");
      figure.classList.toggle("unsaved", !mark.saved);
      word.textContent = !mark.mark ? "" : mark.saved ? (mark.mark === "keep" ? "kept" : "rejected") : mark.mark + (figure.closest(".cell") ? "…" : ": not saved yet");
    });
  }
  function showSaved() {
    say(queue.length ? plural(queue.length, "judgement") + " not saved yet" : done.length ? "All saved" : "");
  }
  function problem(text, final) {
    var place = document.getElementById("problem");
    place.hidden = !text;
    place.querySelector("span").textContent = text || "";
    place.querySelector("[data-do=forget]").hidden = !final;
    place.querySelector("[data-do=again]").hidden = !queue.length;
  }
  function offline(is) {
    unreachable = is;
    if (is && !queue.length) { problem("The server does not answer; what comes next can't be loaded.", false); }
    if (!is && !failures && !refused) { problem("", false); }
  }

  /* --- judging --- */
  function remember(command) { try { localStorage.setItem(STORE + command.once, JSON.stringify(command)); } catch (error) { command.unstored = true; } }
  function forget(command) { try { localStorage.removeItem(STORE + command.once); } catch (error) { /* it is not there */ } }
  function fieldsOf(form) {
    var tags = [], note = "", changed = false;
    if (!form) { return { changed: false }; }
    all("input[name=tag]", form).forEach(function (each) {
      if (each.checked !== each.defaultChecked) { changed = true; }
      if (each.checked) { tags.push(each.value); }
    });
    all("input[name=tags]:not([type=hidden])", form).forEach(function (each) {
      if (each.value.trim()) { changed = true; tags = tags.concat(each.value.split(",").map(function (tag) { return tag.trim(); }).filter(Boolean)); }
    });
    all("input[name=note]", form).forEach(function (each) { note = each.value; if (each.value !== each.defaultValue) { changed = true; } });
    return { tags: tags, note: note, changed: changed };
  }
  function settle(form, said) { /* what was typed is in the command now: it is no change any more, and stays to be seen */
    if (!form || !said.changed) { return; }
    var typed = form.querySelector("input[name=tags]:not([type=hidden])"), chips = form.querySelector(".chips");
    said.tags.forEach(function (tag) {
      if (!all("input[name=tag]", form).some(function (each) { return each.value === tag; })) {
        var label = document.createElement("label"), box = document.createElement("input"), words = document.createElement("bdi");
        label.className = "chip"; box.type = "checkbox"; box.name = "tag"; box.value = tag; box.checked = true;
        var span = document.createElement("span"); words.textContent = tag; span.appendChild(words);
        label.appendChild(box); label.appendChild(span); chips.appendChild(label);
      }
    });
    if (typed) { typed.value = ""; }
    all("input[name=tag]", form).forEach(function (each) { each.defaultChecked = each.checked; });
    all("input[name=note]", form).forEach(function (each) { each.defaultValue = each.value; });
  }
  function judge(keep, reject, goOn) {
    if (!writes && data.write) { say("Say your name first: the link is above"); }
    if (!writes || at < 0 || between !== null) { return; }
    var item = items[trail[at]], form = item.node.querySelector("form.keepreject"), said = fieldsOf(form), before = {};
    var command = { once: once(), key: item.key, keep: keep, reject: reject, said: said, at: Date.now() };
    keep.concat(reject).forEach(function (id) {
      before[id] = marks[id] ? marks[id].mark : null;
      marks[id] = { mark: keep.indexOf(id) >= 0 ? "keep" : "reject", saved: false };
    });
    command.before = before;
    settle(form, said);
    queue.push(command); done.push(command); remember(command);
    Object.keys(items).forEach(function (key) { if (items[key].node) { paint(items[key].node); } });
    exhausted = false;
    if (goOn) { onward(data.show === "unjudged"); }
    showSaved();
    pump();
  }
  function judgeAll(mark) {
    if (at < 0) { return; }
    var ids = items[trail[at]].images.map(function (image) { return image.id; });
    judge(mark === "keep" ? ids : [], mark === "keep" ? [] : ids, true);
  }
  function best(number) {
    if (at < 0) { return; }
    var item = items[trail[at]], ids = item.images.length > 1 ? item.images.map(function (image) { return image.id; }) : item.cell;
    if (number > ids.length || ids.length < 2) { return; }
    judge([ids[number - 1]], ids.filter(function (_, place) { return place !== number - 1; }), true);
  }
  function undo() {
    if (!writes) { return; }
    var last = done.pop();
    if (last) {
      Object.keys(last.before).forEach(function (id) { marks[id] = { mark: last.before[id], saved: sending !== last && queue.indexOf(last) >= 0 }; });
      var place = queue.indexOf(last);
      if (place >= 0 && sending !== last && !last.tried) { queue.splice(place, 1); forget(last); } else { take({ once: once(), undo: true, batch: last.once, before: last.before, at: Date.now() }); }
      var seen = trail.indexOf(last.key);
      exhausted = false;
      if (seen >= 0) { show(seen); }
      showSaved();
    } else { take({ once: once(), undo: true, at: Date.now() }); }
  }
  function take(command) { queue.push(command); remember(command); showSaved(); pump(); }

  /* --- saving --- */
  function body(command) {
    var form = new URLSearchParams();
    form.append("csrftoken", token);
    form.append("once", command.once);
    if (command.undo) {
      if (command.batch) { form.append("batch", command.batch); } else { form.append("run", run); }
      return form;
    }
    command.keep.forEach(function (id) { form.append("keep", id); });
    command.reject.forEach(function (id) { form.append("reject", id); });
    if (command.said.changed) {
      form.append("tags", "");
      command.said.tags.forEach(function (tag) { form.append("tag", tag); });
      if (command.said.note) { form.append("note", command.said.note); }
    }
    return form;
  }
  function pump() {
    if (sending || !queue.length || refused) { return; }
    window.clearTimeout(timer);
    var command = sending = queue[0];
    command.tried = true;
    fetch(command.undo ? data.undo : data.mark, { method: "POST", body: body(command), headers: { accept: "application/json" } })
      .then(function (answer) {
        return answer.json().catch(function () { return { ok: false, error: "" }; }).then(function (said) { saved(command, answer.status, said); });
      })
      .catch(function () { later(command); });
  }
  function saved(command, status, answer) {
    if (status === 200 && answer.ok) {
      sending = null; failures = 0; queue.splice(queue.indexOf(command), 1); forget(command); problem("", false);
      if (command.undo && !command.batch) { answer.image_ids.forEach(function (id) { delete marks[id]; }); if (answer.image_ids.length) { jump(answer.image_ids[0]); } }
      Object.keys(command.before || {}).forEach(function (id) {
        if (!queue.some(function (other) { return other.before && id in other.before; }) && marks[id]) { marks[id].saved = true; }
      });
      if (box.firstElementChild) { paint(box); }
      all("article", box).forEach(paint);
      showSaved();
      if (!queue.length) { refreshCounts(); }
      pump();
    } else if (status === 403 && !command.fresh) { /* a server that was started again has new tokens */
      command.fresh = true;
      ask({ count: 0 }).then(function (found) { token = found.csrftoken || token; sending = null; pump(); }).catch(function () { later(command); });
    } else if (status >= 500 || status === 429) {
      later(command, answer.error);
    } else {
      sending = null; refused = true;
      if (command.undo && answer.error) { queue.shift(); forget(command); refused = false; say(answer.error); pump(); return; }
      problem("Not saved: " + (answer.error || "the server refused it (" + status + ")"), true);
    }
  }
  function later(command, reason) {
    sending = null; failures += 1;
    var wait = Math.min(30, Math.pow(2, Math.min(failures - 1, 5)) * 0.5);
    problem((reason ? "Not saved: " + reason : "The server does not answer") + ". " + plural(queue.length, "judgement") + (command.unstored ? " waits on this page: leave it open" : " kept in this browser") + ", tried again in " + (wait < 1 ? "a moment" : Math.round(wait) + " s") + ".", false);
    showSaved();
    timer = window.setTimeout(pump, wait * 1000);
  }
  var soon = null;
  function refreshCounts() {
    window.clearTimeout(soon);
    soon = window.setTimeout(function () {
      ask({ count: 0 }).then(function (answer) { learn(answer); offline(false); }).catch(function () { offline(true); });
    }, 400);
  }

  /* --- keys and clicks --- */
  function typing(target) { return /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) && target.type !== "checkbox"; }
  function tags() { return items[trail[at]] && items[trail[at]].node.querySelector("details.tags"); }
  function closeTags(panel) {
    var form = panel.closest("form"), said = fieldsOf(form), item = items[trail[at]];
    panel.open = false;
    panel.querySelector("summary").focus();
    if (said.changed && judged(item)) { /* it is judged: its tags change now */
      var kept = item.images.filter(function (image) { return marks[image.id].mark === "keep"; }).map(function (image) { return image.id; });
      judge(kept, item.images.map(function (image) { return image.id; }).filter(function (id) { return kept.indexOf(id) < 0; }), false);
    }
  }
  function inTags(event, panel) {
    var field = event.target, number = "123456789".indexOf(event.key) + 1;
    if (event.key === "Escape") { closeTags(panel); return true; }
    if (typing(field)) { if (event.key === "Enter") { closeTags(panel); return true; } return false; }
    if (number) { var chip = all("input[name=tag]", panel)[number - 1]; if (chip) { chip.checked = !chip.checked; } return true; }
    if (event.key === "Enter" && field.tagName !== "SUMMARY") { panel.querySelector("input[name=tags]:not([type=hidden])").focus(); return true; }
    if (event.key === "t") { closeTags(panel); return true; }
    return false;
  }
  function press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || at < 0 && event.key !== "u" && event.key !== "f") { return; }
    var panel = at >= 0 && tags(), number = "123456789".indexOf(event.key) + 1, did = true;
    if (panel && panel.open && (panel.contains(event.target) || !typing(event.target)) && inTags(event, panel)) { event.preventDefault(); return; }
    if (typing(event.target)) { return; }
    if (event.key === "ArrowRight") { onward(false); } else if (event.key === "ArrowLeft") { back(); } else if (event.key === "k" || event.key === "x") {
      if (event.repeat) { event.preventDefault(); return; } /* a key that is held down judges one picture */
      judgeAll(event.key === "k" ? "keep" : "reject");
    } else if (event.key === "u") { if (!event.repeat) { undo(); } } else if (event.key === "t" && panel) { panel.open = true; panel.querySelector("summary").focus(); } else if (number && !event.repeat) { best(number); } else if (event.key === "f" && document.documentElement.requestFullscreen) {
      if (document.fullscreenElement) { document.exitFullscreen(); } else { root.requestFullscreen(); }
    } else if (event.key === "?") { var help = root.querySelector("details.help"); help.open = !help.open; } else { did = false; }
    if (did) { event.preventDefault(); }
  }
  function click(event) {
    var link = event.target.closest("a, button");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) { return; }
    if (link.dataset.do === "again") { refused = false; failures = 0; queue.forEach(function (each) { each.fresh = false; }); pump(); } else if (link.dataset.do === "forget") {
      var gone = queue.shift(); refused = false; problem("", false);
      if (gone) { forget(gone); Object.keys(gone.before || {}).forEach(function (id) { marks[id] = { mark: gone.before[id], saved: true }; }); done = done.filter(function (each) { return each !== gone; }); }
      paint(box); showSaved(); pump();
    } else if (box.contains(link) && at >= 0) {
      if (link.rel === "prev") { back(); } else if (link.rel === "next") { onward(false); } else if (link.dataset.at) { jump(link.dataset.at); } else { return; }
      event.preventDefault();
    }
  }
  function submit(event) {
    var form = event.target;
    if (form.matches("form.keepreject")) { judgeAll((event.submitter && event.submitter.value) || "keep"); } else if (form.matches("form.best")) {
      judge([form.elements.keep.value], all("input[name=reject]", form).map(function (each) { return each.value; }), true);
    } else if (form.matches("form.undo")) { undo(); } else { return; }
    event.preventDefault();
  }
  function leave(event) {
    if (queue.some(function (each) { return each.unstored; })) { event.preventDefault(); event.returnValue = ""; }
  }
  function release() {
    if (!writes || !navigator.sendBeacon || !trail.length) { return; }
    var form = new URLSearchParams();
    form.append("csrftoken", token);
    trail.slice(Math.max(0, at)).forEach(function (key) { items[key].images.forEach(function (image) { form.append("image", image.id); }); });
    navigator.sendBeacon(data.release, form);
  }
  function waiting() { /* what a page before this one could not send */
    var found = [];
    try {
      Object.keys(localStorage).forEach(function (name) {
        if (name.indexOf(STORE) === 0) { found.push(JSON.parse(localStorage.getItem(name))); }
      });
    } catch (error) { return; }
    found.sort(function (one, other) { return one.at - other.at; });
    found.forEach(function (command) {
      queue.push(command); command.fresh = false;
      (command.keep || []).forEach(function (id) { marks[id] = { mark: "keep", saved: false }; });
      (command.reject || []).forEach(function (id) { marks[id] = { mark: "reject", saved: false }; });
    });
  }

  if (writes) { waiting(); }
  document.addEventListener("keydown", press);
  root.addEventListener("click", click);
  root.addEventListener("submit", submit);
  window.addEventListener("beforeunload", leave);
  window.addEventListener("pagehide", release);
  window.addEventListener("online", function () { failures = 0; exhausted = false; pump(); load(); });
  window.setInterval(function () { if (!document.hidden) { ask({ count: 0 }).then(function (answer) { learn(answer); exhausted = false; offline(false); if (between !== null) { onward(between); } else { load(); } }).catch(function () { offline(true); }); } }, Math.max(5, data.lease / 3) * 1000);
  root.classList.add("scripted");
  if (first) {
    ask({ at: first.dataset.key, count: 1, html: 1 }).then(function (answer) {
      var key = learn(answer)[0];
      if (!key) { return; }
      items[key].node = first;
      trail = [key]; at = 0;
      paint(first);
      load();
      root.dataset.ready = "1";
      showSaved();
      pump();
    }).catch(function () { offline(true); });
  } else { root.dataset.ready = "1"; showSaved(); pump(); }
})();
