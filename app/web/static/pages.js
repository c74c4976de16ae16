// Live update, and small comforts. Every page works without this file.
(() => {
  "use strict";

  const main = document.querySelector("main[data-live]");
  if (main) live(main);
  for (const select of document.querySelectorAll("select[data-submits]")) submitOnChange(select);
  for (const each of document.querySelectorAll("form[data-confirm]")) askFirst(each);
  for (const at of document.querySelectorAll("time")) sayLocally(at);
  for (const select of document.querySelectorAll("select[data-chooses]")) showWhatBelongs(select);
  openTheDoor();

  // Parts of the page (data-part) are fetched anew with it, and put in place where they changed.
  function live(main) {
    const button = document.querySelector("button.live");
    const pause = Number(main.dataset.live) * 1000;
    let on = sessionStorage.getItem("live") !== "off";
    let timer = 0;
    let known = new Map(parts(document).map((part) => [part.id, part.innerHTML]));

    if (button) {
      button.hidden = false;
      button.addEventListener("click", () => {
        on = !on;
        sessionStorage.setItem("live", on ? "on" : "off");
        show();
        if (on) look();
      });
    }
    document.addEventListener("visibilitychange", () => document.hidden || look());
    show();
    plan();

    function show(trouble = false) {
      if (!button) return;
      button.setAttribute("aria-pressed", String(on));
      button.classList.toggle("trouble", trouble);
      button.querySelector(".say").textContent = !on ? "Paused" : trouble ? "Unreachable" : "Live";
    }

    function plan() {
      clearTimeout(timer);
      timer = setTimeout(look, pause);
    }

    async function look() {
      clearTimeout(timer);
      if (!on || document.hidden) return;
      try {
        const answer = await fetch(location.href, { credentials: "same-origin" });
        if (answer.redirected && new URL(answer.url).pathname === "/sign-in") return location.reload();
        if (!answer.ok) throw new Error(String(answer.status));
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
        for (const part of parts(fresh)) place(part);
        if (!fresh.querySelector("main[data-live]")) return show();
        show();
      } catch {
        show(true);
      }
      plan();
    }

    function place(part) {
      const old = document.getElementById(part.id);
      if (!old || known.get(part.id) === part.innerHTML || isSelected(old)) return;
      known.set(part.id, part.innerHTML);
      const open = new Set([...old.querySelectorAll("details[open]")].map((each) => each.id));
      const focused = old.contains(document.activeElement) ? way(document.activeElement) : null;
      old.replaceChildren(...part.childNodes);
      for (const each of old.querySelectorAll("details")) if (open.has(each.id)) each.open = true;
      for (const at of old.querySelectorAll("time")) sayLocally(at);
      if (focused) old.querySelector(focused)?.focus({ preventScroll: true });
    }

    function way(element) {
      if (element.id) return `#${CSS.escape(element.id)}`;
      const address = element.getAttribute("href");
      if (address) return `a[href="${CSS.escape(address)}"]`;
      const holder = element.closest("details[id]");
      return holder ? `#${CSS.escape(holder.id)} > summary` : null;
    }

    function isSelected(element) {
      const selection = getSelection();
      return !selection.isCollapsed && element.contains(selection.anchorNode);
    }
  }

  function parts(root) {
    return [...root.querySelectorAll("[data-part]")];
  }

  function submitOnChange(select) {
    select.form.classList.add("quick");
    select.addEventListener("change", () => select.form.requestSubmit());
  }

  function askFirst(form) {
    form.addEventListener("submit", (event) => {
      if (!confirm(form.dataset.confirm)) event.preventDefault();
    });
  }

  // Parts of a form that only some choices need (data-when) are out of sight for the others.
  function showWhatBelongs(select) {
    const show = () => {
      for (const part of select.form.querySelectorAll("[data-when]"))
        part.hidden = !part.dataset.when.split(" ").includes(select.value);
    };
    select.addEventListener("change", show);
    show();
  }

  function sayLocally(at) {
    const moment = new Date(at.dateTime);
    if (!Number.isNaN(moment.getTime())) at.title = `${moment.toLocaleString()} where you are`;
  }

  // The link that `make run` prints carries its token behind the #, which no server is told; it is
  // taken only on the machine itself.
  function openTheDoor() {
    const form = document.getElementById("sign-in");
    const near = ["127.0.0.1", "localhost", "[::1]"].includes(location.hostname);
    const token = location.hash.slice(1);
    if (!form || !near || !token || form.querySelector("[aria-invalid]")) return;
    history.replaceState(null, "", location.pathname + location.search);
    form.elements.token.value = token;
    form.requestSubmit();
  }
})();
