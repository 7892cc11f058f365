// The few things that the pages of Data Docs ask of jQuery, Bootstrap and bootstrap-table.
(() => {
  const wrap = (elements) => ({
    each(act) { elements.forEach((element, index) => act.call(element, index, element)); return this; },
    parent() { return wrap(elements.map((element) => element.parentElement).filter(Boolean)); },
    fadeIn() { elements.forEach((element) => element.classList.remove("hidden")); return this; },
    fadeOut() { elements.forEach((element) => element.classList.add("hidden")); return this; },
    on() { return this; },
    ready(act) { act(); return this; },
    bootstrapTable(options) { if (options && options.data) elements.forEach((one) => fill(one, options)); return this; },
  });
  const fill = (table, { columns, data }) => {
    const told = columns.filter((column) => !["run_name", "batch_identifier"].includes(column.field));
    const head = table.createTHead().insertRow();
    told.forEach((column) => {
      const cell = document.createElement("th");
      cell.textContent = column.title;
      head.append(cell);
    });
    const body = table.createTBody();
    const byName = (row) => row.asset_name || row.expectation_suite_name || "";
    [...data].sort((one, other) => (byName(one) < byName(other) ? -1 : 1)).forEach((row) => {
      const line = body.insertRow();
      told.forEach((column) => { line.insertCell().innerHTML = row[column.field] ?? ""; });
      if (row._table_row_link_path) {
        line.className = "clickable-row";
        line.addEventListener("click", () => { location.href = row._table_row_link_path; });
      }
    });
  };
  window.$ = window.jQuery = (what) => {
    if (typeof what === "function") { document.addEventListener("DOMContentLoaded", what); return wrap([]); }
    return wrap(typeof what === "string" ? [...document.querySelectorAll(what)] : [what]);
  };
  document.addEventListener("click", (event) => {
    const trigger = event.target.closest("[data-toggle]");
    if (!trigger) return;
    const aim = trigger.getAttribute("data-target") || trigger.getAttribute("href") || "";
    if (trigger.dataset.toggle === "collapse" && aim) {
      event.preventDefault();
      document.querySelectorAll(aim).forEach((element) => element.classList.toggle("show"));
    } else if (trigger.dataset.toggle === "tab") {
      event.preventDefault();
      document.querySelectorAll(".tab-pane, .nav-tabs .nav-link").forEach((one) => one.classList.remove("active"));
      document.querySelector(aim).classList.add("active");
      trigger.classList.add("active");
    } else if (trigger.dataset.toggle === "buttons") {
      const button = event.target.closest(".btn");
      trigger.querySelectorAll(".btn").forEach((one) => one.classList.toggle("active", one === button));
    }
  });
})();
