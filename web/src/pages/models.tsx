// Registered models, and the versions of one.
import { getModel, searchModels, searchVersions, type ModelVersion, type RegisteredModel } from "../api/mlflow";
import { ago, exact } from "../format";
import { go, place, setQuery } from "../location";
import { useLoad } from "../load";
import { AsCommand } from "../parts/command";
import { Empty } from "../parts/empty";
import { State } from "../parts/state";
import { Table, type Column } from "../parts/table";

const isPrompt = (model: RegisteredModel) => model.tags?.some((t) => t.key === "mlflow.prompt.is_prompt" && t.value === "true");

const modelColumns: Column<RegisteredModel>[] = [
  { key: "name", title: "Model", cell: (m) => <a href={`/ui/models/${encodeURIComponent(m.name)}`}>{m.name}</a> },
  { key: "latest", title: "Latest", number: true, cell: (m) => m.latest_versions?.map((v) => v.version).sort((a, b) => Number(b) - Number(a))[0] ?? "" },
  { key: "aliases", title: "Aliases", cell: (m) => m.aliases?.map((a) => <span class="tag accent" key={a.alias}>{a.alias} → {a.version}</span>) },
  { key: "updated", title: "Changed", number: true, cell: (m) => ago(m.last_updated_timestamp), exact: (m) => exact(m.last_updated_timestamp) },
  { key: "description", title: "About", cell: (m) => m.description ?? "", wrap: true },
];

const snippet = (url: string, name = "wine") => `import mlflow
mlflow.set_tracking_uri("${url}")
mlflow.sklearn.log_model(model, name="model", registered_model_name="${name}")`;

export function Models() {
  const typed = place.value.query.get("find") ?? "";
  const filter = typed ? `name ILIKE '%${typed.replace(/'/g, "''")}%'` : "";
  const { data, error } = useLoad(`models ${filter}`, () => searchModels(filter), 5000);
  const models = data && (data.registered_models ?? []).filter((m) => !isPrompt(m));
  return (
    <>
      <div class="head">
        <h1>Models</h1>
        <span class="soft">{models ? `${models.length} shown` : ""}</span>
        <span class="spring" />
        <AsCommand lines={`import mlflow\nmlflow.set_tracking_uri("${window.location.origin}")\nmlflow.search_registered_models(${filter ? `filter_string=${JSON.stringify(filter)}` : ""})`} />
      </div>
      <div class="bar"><input aria-label="Find a model" id="search" placeholder="part of a name" value={typed} onInput={(e) => setQuery({ find: e.currentTarget.value })} /></div>
      {error ? <div class="error" role="alert">{error}</div> : null}
      {models && !models.length ? (
        typed ? <p class="soft">No model has “{typed}” in its name.</p> : <Empty title="No models yet" snippet={snippet(window.location.origin)}>Register one from Python:</Empty>
      ) : (
        <Table columns={modelColumns} rows={models ?? []} id={(m) => m.name} label="Models" onOpen={(m) => go(`/ui/models/${encodeURIComponent(m.name)}`)} />
      )}
    </>
  );
}

const versionColumns = (name: string): Column<ModelVersion>[] => [
  { key: "version", title: "Version", cell: (v) => v.version },
  { key: "aliases", title: "Aliases", cell: (v) => v.aliases?.map((a) => <span class="tag accent" key={a}>{a}</span>) },
  { key: "status", title: "Status", cell: (v) => <State word={v.status ?? "READY"} /> },
  { key: "created", title: "Made", number: true, cell: (v) => ago(v.creation_timestamp), exact: (v) => exact(v.creation_timestamp) },
  { key: "run", title: "Run", cell: (v) => (v.run_id ? <a href={`/ui/runs/${v.run_id}`}>{v.run_id.slice(0, 8)}</a> : "") },
  { key: "deploy", title: "Deploy", cell: (v) => <code>modelkit deploy models:/{name}/{v.version} --name {name}</code> },
  { key: "source", title: "Source", cell: (v) => v.source ?? "", exact: (v) => v.source ?? "" },
];

export function ModelPage({ name }: { name: string }) {
  const model = useLoad(`model ${name}`, () => getModel(name), 2000);
  const versions = useLoad(`versions ${name}`, () => searchVersions(name), 2000);
  if (!model.data) return model.error ? <div class="error" role="alert">{model.error}</div> : null;
  const rows = [...(versions.data?.model_versions ?? [])].sort((a, b) => Number(b.version) - Number(a.version));
  const aliases = new Map<string, string[]>();
  for (const { alias, version } of model.data.registered_model.aliases ?? []) aliases.set(version, [...(aliases.get(version) ?? []), alias]);
  const shown = rows.map((v) => ({ ...v, aliases: v.aliases?.length ? v.aliases : aliases.get(v.version) }));
  return (
    <>
      <div class="head">
        <h1>{name}</h1>
        <span class="soft">{versions.data ? `${rows.length} version${rows.length === 1 ? "" : "s"}` : ""}</span>
        <span class="spring" />
        <AsCommand lines={`import mlflow\nmlflow.set_tracking_uri("${window.location.origin}")\nmlflow.search_model_versions(filter_string=${JSON.stringify(`name='${name}'`)})`} />
      </div>
      {model.data.registered_model.description ? <p>{model.data.registered_model.description}</p> : null}
      {versions.error ? <div class="error" role="alert">{versions.error}</div> : null}
      {versions.data && !rows.length ? (
        <Empty title="No versions yet" snippet={snippet(window.location.origin, name)}>Add one from Python:</Empty>
      ) : (
        <Table columns={versionColumns(name)} rows={shown} id={(v) => v.version} label="Versions" />
      )}
    </>
  );
}
