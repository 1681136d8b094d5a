/* While a run writes, the page's main part is fetched again and exchanged: scroll and open details stay. */
(function () {
  "use strict";
  var shortest = 3000, longest = 30000;
  function open(main) {
    return Array.prototype.map.call(main.querySelectorAll("details"), function (one) { return one.open; });
  }
  function again(wait) {
    window.setTimeout(function () {
      if (document.hidden) { return again(wait); }
      fetch(location.href, { headers: { accept: "text/html" } }).then(function (answer) {
        if (!answer.ok) { throw new Error(String(answer.status)); }
        return answer.text();
      }).then(function (text) {
        var page = new DOMParser().parseFromString(text, "text/html");
        var fresh = page.querySelector("main"), old = document.querySelector("main");
        if (!fresh || !old) { return; }
        var same = fresh.innerHTML === again.last, states = open(old);
        again.last = fresh.innerHTML;
        if (!same) {
          var details = fresh.querySelectorAll("details");
          if (details.length === states.length) {
            details.forEach(function (one, index) { one.open = states[index]; });
          }
          var focused = document.activeElement && document.activeElement.closest("[data-image]");
          old.replaceWith(document.adoptNode(fresh));
          var place = focused && document.querySelector('[data-image="' + focused.dataset.image + '"] a.thumb');
          if (place) { place.focus({ preventScroll: true }); }
          document.dispatchEvent(new Event("page-exchanged"));
        }
        if (fresh.dataset.live) { again(same ? Math.min(wait * 2, longest) : shortest); }
      }).catch(function () { again(Math.min(wait * 2, longest)); });
    }, wait);
  }
  var main = document.querySelector("main[data-live]");
  if (main) { again(shortest); }
})();
