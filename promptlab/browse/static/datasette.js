/* Datasette's own pages: names for fields that have none, and a way in by keyboard to what scrolls. */
(function () {
  "use strict";
  function name(selector, text) {
    document.querySelectorAll(selector).forEach(function (each) {
      if (!each.getAttribute("aria-label") && !(each.labels && each.labels.length)) { each.setAttribute("aria-label", text); }
    });
  }
  function label() {
    document.documentElement.lang = document.documentElement.lang || "en";
    name("select[name^='_filter_column']", "Column to filter");
    name("select[name^='_filter_op']", "How to compare");
    name("input[name^='_filter_value']", "Value to compare with");
    name("select[name='_sort']", "Sort by");
    name("textarea[name='sql'], .CodeMirror textarea", "SQL");
    name("a.cross", "Take this away");
    name(".facet-truncated a", "Show all values");
    document.querySelectorAll(".cm-content").forEach(function (each) { each.setAttribute("aria-label", "SQL"); });
    document.querySelectorAll(".table-wrapper, dl.column-descriptions, pre.wrapped-sql, pre#sql-query, .pl-json, .cm-scroller").forEach(function (each) {
      if (each.scrollWidth > each.clientWidth || each.scrollHeight > each.clientHeight) { each.tabIndex = 0; }
    });
  }
  if (document.readyState === "loading") { document.addEventListener("DOMContentLoaded", label); } else { label(); }
  window.addEventListener("load", function () { window.setTimeout(label); }); /* the editor comes last */
})();
