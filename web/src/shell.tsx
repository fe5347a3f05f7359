// The frame around every page: rail, theme, and the page that the address names.
import { useEffect, useState } from "preact/hooks";
import { place } from "./location";
import { DeploymentPage, Deployments } from "./pages/deployments";
import { ModelPage, Models } from "./pages/models";
import { RunPage } from "./pages/run";
import { Runs } from "./pages/runs";

const rail = [
  { path: "/ui/runs", word: "Runs", sign: "∿" },
  { path: "/ui/models", word: "Models", sign: "◇" },
  { path: "/ui/deployments", word: "Deployments", sign: "⇄" },
];

function Page({ path }: { path: string }) {
  const [, , room, first, second] = path.split("/").map(decodeURIComponent);
  if (room === "runs" && first) return <RunPage key={first} id={first} />;
  if (room === "models") return first ? <ModelPage key={first} name={first} /> : <Models />;
  if (room === "deployments") return first && second ? <DeploymentPage key={`${first}/${second}`} space={first} name={second} /> : <Deployments />;
  return <Runs />;
}

function Theme() {
  const [theme, setTheme] = useState(localStorage.getItem("theme") ?? "auto");
  useEffect(() => {
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    localStorage.setItem("theme", theme);
  }, [theme]);
  return (
    <select aria-label="Theme" value={theme} onChange={(e) => setTheme(e.currentTarget.value)}>
      {["auto", "light", "dark"].map((t) => <option key={t}>{t}</option>)}
    </select>
  );
}

export function Shell() {
  const path = place.value.path;
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key !== "/" || /INPUT|SELECT|TEXTAREA/.test((event.target as Element).tagName)) return;
      document.getElementById("search")?.focus();
      event.preventDefault();
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, []);
  return (
    <div class="shell">
      <nav class="rail" aria-label="Pages">
        <a class="brand" href="/ui/runs">◆ <span>modelkit</span></a>
        {rail.map(({ path: target, word, sign }) => (
          <a key={target} href={target} aria-current={path.startsWith(target) || (path === "/" && word === "Runs") ? "page" : undefined} title={word}>
            <b aria-hidden="true">{sign}</b> <span>{word}</span>
          </a>
        ))}
        <div class="foot"><Theme /></div>
      </nav>
      <main class="page"><Page path={path} /></main>
    </div>
  );
}
