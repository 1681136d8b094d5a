/* Keep and reject without leaving the page: the form is sent, and its buttons and any pill of the image follow. */
(function () {
  "use strict";
  function show(form, mark) {
    form.querySelectorAll("button").forEach(function (button) {
      if (button.value === "clear") { button.disabled = mark === "clear"; return; }
      button.setAttribute("aria-pressed", String(button.value === mark));
    });
  }
  function tell(form, text) {
    var place = form.querySelector("output");
    if (!place) {
      place = document.createElement("output");
      place.setAttribute("role", "status");
      form.appendChild(place);
    }
    place.textContent = text;
  }
  document.addEventListener("submit", function (event) {
    var form = event.target, button = event.submitter;
    if (!form.classList.contains("marking") || !button) { return; }
    event.preventDefault();
    var body = new URLSearchParams(new FormData(form));
    body.set("mark", button.value);
    fetch(form.action, { method: "POST", body: body, headers: { accept: "application/json" } }).then(function (answer) {
      return answer.json();
    }).then(function (answer) {
      if (!answer.ok) { tell(form, answer.error); return; }
      show(form, button.value);
      tell(form, button.value === "keep" ? "kept" : button.value === "reject" ? "rejected" : "no mark");
      document.dispatchEvent(new CustomEvent("promptlab:marked", { detail: { image: form.dataset.image, mark: button.value } }));
    }).catch(function () { tell(form, "not saved: the server did not answer"); });
  });
})();
