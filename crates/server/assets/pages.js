// What two pages need a script for: a file is sent as the body of a request, and a ticket is copied by a button.
"use strict";
(() => {
  for (const button of document.querySelectorAll("button[data-copies]")) {
    const source = document.getElementById(button.dataset.copies);
    const said = button.parentElement.querySelector("output");
    if (!source || !navigator.clipboard) continue;
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(source.value ?? source.textContent);
      if (said) said.textContent = "Copied.";
    });
  }

  // The file goes out as it is read, so neither side holds it as a whole. What the node answers is said beside the form.
  for (const form of document.querySelectorAll("form[data-upload]")) {
    const { address, role, file } = form.elements;
    const button = form.querySelector("button");
    const bar = form.querySelector("progress");
    const said = form.querySelector("output");
    button.disabled = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const chosen = file.files[0];
      if (!chosen) return;
      const query = new URLSearchParams({ address: address.value.trim(), role: role.value });
      if (chosen.type) query.set("content_type", chosen.type);
      const request = new XMLHttpRequest();
      request.open("PUT", `${form.dataset.upload}?${query}`);
      request.setRequestHeader("x-antiphon-csrf", form.dataset.csrf);
      request.responseType = "json";
      const idle = (text) => { button.disabled = false; bar.hidden = true; said.textContent = text; };
      request.upload.addEventListener("progress", (step) => { if (step.lengthComputable) bar.value = step.loaded / step.total; });
      request.addEventListener("load", () => {
        const answer = request.response;
        if (request.status === 200 && answer) {
          location.assign(`${form.dataset.done}?${new URLSearchParams({ address: answer.address })}`);
          return;
        }
        const error = answer && answer.error;
        idle(error ? [error.what, error.hint].filter(Boolean).join(". ") : `The node answered ${request.status}.`);
      });
      request.addEventListener("error", () => idle("The node does not answer. What was sent is not stored."));
      button.disabled = true;
      bar.value = 0;
      bar.hidden = false;
      said.textContent = "Sending …";
      request.send(chosen);
    });
  }
})();
