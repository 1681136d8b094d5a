/* Copy buttons, and everything unfolded on paper. Without scripts the page only lacks these. */
(function () {
  "use strict";
  function selected(block) {
    var range = document.createRange();
    range.selectNodeContents(block);
    var chosen = window.getSelection();
    chosen.removeAllRanges();
    chosen.addRange(range);
  }
  function copy(block, said) {
    if (navigator.clipboard && navigator.clipboard.writeText) {
      navigator.clipboard.writeText(block.textContent).then(said, function () { selected(block); });
    } else {
      selected(block);
      if (document.execCommand("copy")) { said(); }
    }
  }
  Array.prototype.forEach.call(document.querySelectorAll("[data-copy]"), function (block) {
    var button = document.createElement("button"), name = "Copy " + block.getAttribute("data-copy");
    button.type = "button";
    button.className = "copy";
    button.textContent = name;
    button.addEventListener("click", function () {
      copy(block, function () {
        button.textContent = "Copied";
        window.setTimeout(function () { button.textContent = name; }, 1600);
      });
    });
    block.parentNode.insertBefore(button, block.nextSibling);
  });
  window.addEventListener("beforeprint", function () {
    Array.prototype.forEach.call(document.querySelectorAll("details"), function (one) { one.open = true; });
  });
})();
