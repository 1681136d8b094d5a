(function () {
  "use strict";
  var data = JSON.parse(document.getElementById("data").textContent);
  var key = "promptlab-ballot-" + data.file, four = data.kind === "best_worst";
  var state = { voter: "", votes: [], skipped: [] };  /* votes in the order in which they were cast */
  var best = null, finished = false;
  function id(name) { return document.getElementById(name); }
  try {
    var kept = JSON.parse(localStorage.getItem(key));
    if (kept && Array.isArray(kept.votes) && Array.isArray(kept.skipped)) { state = kept; }
  } catch (problem) { /* no storage for files here: the page works, but forgets when it is closed */ }
  function keep() {
    try { localStorage.setItem(key, JSON.stringify(state)); } catch (problem) { id("progress").title = "Not kept when this page is closed"; }
  }

  function open() {
    var done = {};
    state.votes.forEach(function (vote) { done[vote.token] = true; });
    var left = data.ballots.filter(function (each) { return !done[each.token]; });
    var fresh = left.filter(function (each) { return state.skipped.indexOf(each.token) < 0; });
    return { next: fresh[0] || null, left: left.length };
  }
  function element(name, className, text) {
    var made = document.createElement(name);
    if (className) { made.className = className; }
    if (text !== undefined) { made.textContent = text; }
    return made;
  }
  var places = four ? ["First", "Second", "Third", "Fourth"] : ["Left", "Right"];
  function say(place) {
    if (four) { return String(place + 1); }
    return place ? "This one →" : "← This one";
  }
  function show() {
    var now = open(), stage = id("stage"), over = finished || !now.next;
    best = null;
    id("vote").hidden = over;
    id("end").hidden = !over;
    id("skip").hidden = id("finish").hidden = over;
    id("undo").disabled = !state.votes.length && !finished;
    id("progress").textContent = state.votes.length + " of " + data.ballots.length + (four ? " judged" : " pairs judged");
    if (over) { return end(now); }
    stage.textContent = "";
    stage.className = four ? "four" : "two";
    now.next.pictures.forEach(function (picture, place) {
      var button = element("button", "shown"), image = element("img");
      button.type = "button";
      image.alt = places[place] + " picture";
      image.src = "data:image/jpeg;base64," + picture;
      button.appendChild(image);
      button.appendChild(element("span", "say", say(place)));
      button.addEventListener("click", function () { choose(place); });
      stage.appendChild(button);
    });
  }
  function end(now) {
    var skipped = now.left;
    id("endtitle").textContent = now.left ? "Finished for now" : "Thank you";
    id("endtext").textContent = "You judged " + state.votes.length + " of " + data.ballots.length + (skipped ? "; Undo goes back to the rest." : ".");
    id("voter").value = state.voter;
    id("told").textContent = "";
  }
  function cast(vote) {
    var now = open();
    if (!now.next || finished) { return; }
    vote.token = now.next.token;
    vote.at = new Date().toISOString();
    state.votes.push(vote);
    keep();
    show();
  }
  function choose(place) {
    if (!four) { cast({ outcome: place ? "right" : "left" }); return; }
    var cards = id("stage").querySelectorAll(".shown");
    if (!cards[place]) { return; }
    if (best === null) {
      best = place;
      cards[place].classList.add("best");
      cards[place].querySelector(".say").textContent = "The best";
      return;
    }
    if (best === place) { show(); return; }
    cast({ outcome: "best", best: best, worst: place });
  }
  function undo() {
    if (best !== null) { show(); return; }
    if (finished || (!open().next && open().left)) { finished = false; state.skipped = []; }
    else { state.votes.pop(); }
    keep();
    show();
  }
  function skip() {
    var now = open();
    if (now.next && !finished) { state.skipped.push(now.next.token); keep(); show(); }
  }

  /* CRC-32 (ISO 3309), so that a file that was cut or changed on its way is noticed. */
  function crc(text) {
    var bytes = new TextEncoder().encode(text), value = -1;
    for (var at = 0; at < bytes.length; at += 1) {
      value ^= bytes[at];
      for (var bit = 0; bit < 8; bit += 1) { value = (value >>> 1) ^ (value & 1 ? 0xEDB88320 : 0); }
    }
    return ("0000000" + ((value ^ -1) >>> 0).toString(16)).slice(-8);
  }
  function field(value) { return value === undefined ? "" : String(value); }
  function result() {
    var lines = [data.file, state.voter].concat(state.votes.map(function (vote) {
      return [vote.token, vote.outcome, field(vote.best), field(vote.worst), vote.at].join("\t");
    }));
    return JSON.stringify({
      format: "promptlab-votes", version: 1, file: data.file, voter: state.voter, votes: state.votes,
      check: crc(lines.join("\n"))
    }, null, 1) + "\n";
  }
  function named() {
    state.voter = id("voter").value.replace(/\s+/g, " ").trim();
    keep();
    if (!state.voter) { id("told").textContent = "Write your name first, so that your votes are told from others'."; id("voter").focus(); return false; }
    if (!state.votes.length) { id("told").textContent = "There are no votes yet; Undo goes back to the pictures."; return false; }
    return true;
  }
  id("save").addEventListener("click", function () {
    if (!named()) { return; }
    var link = element("a");
    link.href = URL.createObjectURL(new Blob([result()], { type: "application/json" }));
    link.download = "votes-" + (state.voter.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "") || "mine") + "-" + data.file.slice(-6).toLowerCase() + ".json";
    document.body.appendChild(link);
    link.click();
    link.remove();
    id("told").textContent = "Saved as " + link.download + ": send that file back.";
  });
  id("copy").addEventListener("click", function () {
    if (!named()) { return; }
    var text = id("text");
    text.hidden = false;
    text.value = result();
    text.focus();
    text.select();
    var copied = false;
    try { copied = document.execCommand("copy"); } catch (problem) { copied = false; }
    id("told").textContent = copied ? "Copied: paste it into a message, or into a file." : "Copy the text below.";
  });
  id("voter").addEventListener("input", function () { state.voter = id("voter").value.trim(); keep(); });
  id("undo").addEventListener("click", undo);
  id("skip").addEventListener("click", skip);
  id("finish").addEventListener("click", function () { finished = true; show(); });
  id("answers").addEventListener("click", function (event) {
    var button = event.target.closest("button");
    if (button) { cast({ outcome: button.dataset.outcome }); }
  });
  document.addEventListener("keydown", function (event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || /^(INPUT|TEXTAREA)$/.test(event.target.tagName)) { return; }
    var pressed = event.key.length === 1 ? event.key.toLowerCase() : event.key, over = id("vote").hidden;
    if (pressed === "u") { undo(); }
    else if (over) { return; }
    else if (!four && pressed === "ArrowLeft") { choose(0); }
    else if (!four && pressed === "ArrowRight") { choose(1); }
    else if (four && /^[1-4]$/.test(pressed)) { choose(Number(pressed) - 1); }
    else if (pressed === "t") { cast({ outcome: "tie" }); }
    else if (pressed === "b") { cast({ outcome: "bad" }); }
    else if (pressed === "s") { skip(); }
    else { return; }
    event.preventDefault();
  });
  if (four) { id("allbad").textContent = "All are bad"; }
  id("hint").textContent = four ? "Keys 1 to 4: first the best, then the worst" : "Keys ← and →";
  show();
})();
