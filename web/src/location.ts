// The address is the whole view: page, filters, sort. Reading it and moving without reloading.
import { signal } from "@preact/signals";

export interface Place { path: string; query: URLSearchParams }

// The MLflow client prints links of its own web pages: "/#/experiments/1/runs/ID", "/#/models/NAME".
const hash = window.location.hash.match(/^#\/(?:experiments\/(\d+)(?:\/(?:runs\/(\w+))?)?|models\/([^/]+))/);
if (hash) {
  const [, experiment, run, model] = hash;
  history.replaceState(null, "", model ? `/ui/models/${model}` : run ? `/ui/runs/${run}` : `/ui/runs?experiment=${experiment}`);
}

const read = (): Place => ({ path: window.location.pathname, query: new URLSearchParams(window.location.search) });
export const place = signal<Place>(read());
window.addEventListener("popstate", () => (place.value = read()));

export function go(address: string, replace = false): void {
  if (replace) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
  place.value = read();
}

// Changes parts of the query; an empty value takes the key out.
export function setQuery(changes: Record<string, string>): void {
  const query = new URLSearchParams(place.value.query);
  for (const [key, value] of Object.entries(changes)) {
    if (value) query.set(key, value);
    else query.delete(key);
  }
  go(place.value.path + (query.size ? `?${query}` : ""), true);
}

// Plain left clicks on links of ours move without loading the page again.
document.addEventListener("click", (event) => {
  const link = (event.target as Element).closest("a");
  const address = link?.getAttribute("href");
  if (!address?.startsWith("/ui/") || event.button || event.metaKey || event.ctrlKey || event.shiftKey || link?.target) return;
  event.preventDefault();
  go(address);
});
