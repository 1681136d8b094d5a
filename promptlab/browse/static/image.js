/* One image by keys: on and back, keep and reject, copy. Copying needs no permission: where it is refused, the text is
   selected, and the browser's own copy takes it. */
(function () {
  "use strict";
  function one(selector) { return document.querySelector(selector); }
  function select(node) {
    var range = document.createRange(), chosen = window.getSelection();
    var folded = node.closest("details");
    if (folded) { folded.open = true; }
    range.selectNodeContents(node);
    chosen.removeAllRanges();
    chosen.addRange(range);
  }
  function copy(button) {
    var node = document.getElementById(button.dataset.copy), label = button.dataset.label || button.textContent;
    button.dataset.label = label;
    function say(text) {
      button.textContent = text;
      window.setTimeout(function () { button.textContent = label; }, 2500);
    }
    function byHand() {
      select(node);
      var done = false;
      try { done = document.execCommand("copy"); } catch (error) { done = false; }
      say(done ? "Copied" : "Selected: press Ctrl+C");
    }
    if (navigator.clipboard && navigator.clipboard.writeText) {
      navigator.clipboard.writeText(node.textContent).then(function () { say("Copied"); }, byHand);
    } else {
      byHand();
    }
  }
  document.querySelectorAll("button.copy").forEach(function (button) {
    button.hidden = false;
    button.setAttribute("aria-live", "polite");
    button.addEventListener("click", function () { copy(button); });
  });
  document.addEventListener("keydown", function (event) {
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) { return; }
    var links = { ArrowLeft: "a[rel=prev]", ArrowRight: "a[rel=next]", d: "a[download]" };
    var marks = { k: "keep", x: "reject", u: "clear" };
    var found = links[event.key] ? one(links[event.key])
      : marks[event.key] ? one(".marking button[value=" + marks[event.key] + "]")
        : event.key === "c" ? one("button.copy") : null;
    if (!found) { return; }
    event.preventDefault();
    found.click();
  });
  document.addEventListener("promptlab:marked", function (event) {
    var place = document.getElementById("marks"), words = { keep: "kept", reject: "rejected" };
    place.replaceChildren();
    if (words[event.detail.mark]) {
      var pill = document.createElement("span");
      pill.className = "pill " + event.detail.mark;
      pill.textContent = words[event.detail.mark];
      place.appendChild(pill);
    }
  });
  /* The next picture is loaded before it is asked for. */
  window.addEventListener("load", function () {
    var link = one("a[rel=next]");
    if (!link) { return; }
    fetch(link.href, { headers: { accept: "text/html" } }).then(function (answer) {
      return answer.ok ? answer.text() : "";
    }).then(function (text) {
      var picture = new DOMParser().parseFromString(text, "text/html").querySelector(".picture > a img");
      if (picture) { new Image().src = picture.getAttribute("src"); }
    }).catch(function () { /* it is loaded when it is asked for */ });
  });
})();
