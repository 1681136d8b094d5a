/* The gallery: a slider for the size of the pictures, and the next page when its end comes into view. */
(function () {
  "use strict";
  var wall = document.querySelector(".wall"), main = document.querySelector("main");
  function withSize(address, size) {
    var url = new URL(address, location.href);
    url.searchParams.set("size", size);
    return url.pathname + url.search;
  }
  function resize(size) {
    var walls = document.querySelectorAll(".wall");
    walls.forEach(function (each) { each.className = "wall size" + size; });
    history.replaceState(history.state, "", withSize(location.href, size));
    document.querySelectorAll("main a[href*='/gallery?'], main a[href$='/gallery']").forEach(function (each) {
      each.setAttribute("href", withSize(each.getAttribute("href"), size));
    });
    document.querySelectorAll("main form.search, .facets form").forEach(function (each) {
      var field = each.querySelector("input[name=size]") || each.appendChild(document.createElement("input"));
      field.type = "hidden"; field.name = "size"; field.value = size;
    });
  }
  function sizes() {
    var slider = document.querySelector("[data-sizer]");
    if (!slider || !document.querySelector(".wall")) { return; }
    slider.hidden = false;
    slider.parentNode.classList.add("slides");
    slider.addEventListener("input", function () { resize(slider.value); });
  }
  sizes();
  document.addEventListener("page-exchanged", sizes); /* a run that goes on */
  /* While a run writes, the whole page is exchanged again and again: it stays one page then. */
  if (!wall || main.dataset.live || !("IntersectionObserver" in window)) { return; }
  var loading = false;
  var watch = new IntersectionObserver(function (entries) {
    var next = document.querySelector("main .pager a[rel=next]");
    if (loading || !next || !entries.some(function (each) { return each.isIntersecting; })) { return; }
    loading = true;
    fetch(next.href, { headers: { accept: "text/html" } }).then(function (answer) {
      if (!answer.ok) { throw new Error(String(answer.status)); }
      return answer.text();
    }).then(function (text) {
      var page = new DOMParser().parseFromString(text, "text/html");
      page.querySelectorAll(".wall > .tile").forEach(function (tile) { wall.appendChild(document.adoptNode(tile)); });
      var further = page.querySelector("main .pager a[rel=next]");
      if (further) { next.replaceWith(document.adoptNode(further)); watch.unobserve(next); watch.observe(further); } else { next.remove(); }
      loading = false;
    }).catch(function () { watch.disconnect(); /* the link is still there */ });
  }, { rootMargin: "1200px" });
  var first = document.querySelector("main .pager a[rel=next]");
  if (first) { watch.observe(first); }
})();
