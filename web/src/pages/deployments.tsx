// What is served: who answers which share, why something is not ready, and what it wrote.
import { useState } from "preact/hooks";
import { getVersion, getVersionByAlias } from "../api/mlflow";
import { condition, getService, listEvents, listPods, listServices, logPath, type Event, type InferenceService, type Pod } from "../api/kubernetes";
import { getText } from "../api/server";
import { ago, exact } from "../format";
import { go, place, setQuery } from "../location";
import { useLoad } from "../load";
import { AsCommand } from "../parts/command";
import { Empty } from "../parts/empty";
import { Split } from "../parts/split";
import { State } from "../parts/state";
import { Table, type Column } from "../parts/table";
import { yaml } from "../yaml";

const address = (s: InferenceService) => `/ui/deployments/${s.metadata.namespace}/${s.metadata.name}`;
const traffic = (s: InferenceService) => s.status?.components?.predictor?.traffic ?? [];
const made = (s: InferenceService) => Date.parse(s.metadata.creationTimestamp);

function health(service: InferenceService): string {
  if (condition(service, "Ready")?.status === "True") return "Ready";
  const transition = service.status?.modelStatus?.transitionStatus;
  return transition === "BlockedByFailedLoad" || transition === "InvalidSpec" ? "Failed" : "Starting";
}

const columns: Column<InferenceService>[] = [
  { key: "name", title: "Deployment", cell: (s) => <a href={address(s)}>{s.metadata.name}</a> },
  { key: "namespace", title: "Namespace", cell: (s) => s.metadata.namespace },
  { key: "health", title: "Health", cell: (s) => <State word={health(s)} />, exact: (s) => condition(s, "Ready")?.message ?? "" },
  { key: "traffic", title: "Requests go to", cell: (s) => <div style={{ width: "280px" }}><Split traffic={traffic(s)} /></div> },
  { key: "model", title: "Model", cell: (s) => s.spec.predictor.model?.storageUri ?? "own container" },
  { key: "age", title: "Made", number: true, cell: (s) => ago(made(s)), exact: (s) => exact(made(s)) },
  { key: "url", title: "Address", cell: (s) => s.status?.url ?? "", exact: (s) => s.status?.url ?? "" },
];

export function Deployments() {
  const { data, error } = useLoad("services", listServices, 2000);
  return (
    <>
      <div class="head">
        <h1>Deployments</h1>
        <span class="soft">{data ? `${data.items.length} shown` : ""}</span>
        <span class="spring" />
        <AsCommand lines="modelkit get isvc -A" />
      </div>
      {error ? <div class="error" role="alert">{error}</div> : null}
      {data && !data.items.length ? (
        <Empty title="Nothing is deployed yet" snippet="modelkit deploy models:/wine@champion --name wine">Serve a registered model:</Empty>
      ) : (
        <Table columns={columns} rows={data?.items ?? []} id={(s) => s.metadata.uid} label="Deployments" onOpen={(s) => go(address(s))} />
      )}
    </>
  );
}

const podColumns: Column<Pod>[] = [
  { key: "name", title: "Pod", cell: (p) => p.metadata.name },
  { key: "phase", title: "State", cell: (p) => <State word={p.status?.containerStatuses?.[0]?.state?.waiting?.reason ?? p.status?.phase ?? "Pending"} />, exact: (p) => p.status?.containerStatuses?.[0]?.state?.waiting?.message ?? "" },
  { key: "revision", title: "Revision", cell: (p) => p.metadata.labels?.["modelkit.dev/revision"] ?? "" },
  { key: "restarts", title: "Restarts", number: true, cell: (p) => p.status?.containerStatuses?.reduce((sum, c) => sum + c.restartCount, 0) ?? 0 },
  { key: "age", title: "Made", number: true, cell: (p) => ago(Date.parse(p.metadata.creationTimestamp)) },
  { key: "ip", title: "Address", cell: (p) => p.status?.podIP ?? "" },
];

function Overview({ service, pods }: { service: InferenceService; pods: Pod[] }) {
  return (
    <>
      <h2>Requests go to</h2>
      {traffic(service).length ? <Split traffic={traffic(service)} /> : <p class="soft">Nobody answers yet.</p>}
      <dl class="facts" style={{ marginTop: "8px" }}>
        {traffic(service).map((s) => [<dt key={s.revisionName}><i class={`swatch ${s.latestRevision ? "latest" : "stable"}`} aria-hidden="true" />{s.percent} %</dt>, <dd key={`${s.revisionName}=`}>{s.revisionName}{s.latestRevision ? " (latest)" : ""}</dd>])}
      </dl>
      <h2>Pods</h2>
      <Table columns={podColumns} rows={pods} id={(p) => p.metadata.uid} label="Pods" />
    </>
  );
}

function Events({ service }: { service: InferenceService }) {
  const { data } = useLoad(`events ${service.metadata.uid}`, () => listEvents(service.metadata.namespace!, service.metadata.uid), 2000);
  const happened = (e: Event) => Date.parse(e.lastTimestamp ?? e.metadata.creationTimestamp);
  const rows = [...(data?.items ?? [])].sort((a, b) => happened(b) - happened(a));
  if (data && !rows.length) return <p class="soft">No events are kept for it: they go after an hour.</p>;
  return (
    <Table label="Events" rows={rows} id={(e) => e.metadata.uid} columns={[
      { key: "when", title: "When", cell: (e) => ago(happened(e)), exact: (e) => exact(happened(e)) },
      { key: "type", title: "Type", cell: (e) => e.type },
      { key: "reason", title: "Reason", cell: (e) => e.reason },
      { key: "count", title: "Count", number: true, cell: (e) => e.count ?? 1 },
      { key: "message", title: "Message", cell: (e) => e.message, wrap: true },
    ]} />
  );
}

function Logs({ service, pods }: { service: InferenceService; pods: Pod[] }) {
  const [chosen, setChosen] = useState<string>();
  const pod = pods.find((p) => p.metadata.name === chosen) ?? pods.find((p) => condition(p, "Ready")?.status !== "True") ?? pods[0]; // the one in trouble first
  const { data, error } = useLoad(`log ${pod?.metadata.name}`, async () => (pod ? await getText(logPath(service.metadata.namespace!, pod.metadata.name, 500)) : ""), 2000);
  if (!pod) return <p class="soft">No pod runs.</p>;
  return (
    <>
      <div class="bar">
        <select aria-label="Pod" value={pod.metadata.name} onChange={(e) => setChosen(e.currentTarget.value)}>
          {pods.map((p) => <option key={p.metadata.name}>{p.metadata.name}</option>)}
        </select>
      </div>
      {error ? <div class="error" role="alert">{error}</div> : <pre class="logs" tabIndex={0} role="region" aria-label="Log">{data || "Nothing was written yet."}</pre>}
    </>
  );
}

// The registered model behind models:/NAME/VERSION or models:/NAME@ALIAS, and the run that made it.
function Model({ uri = "" }: { uri?: string }) {
  const [, name, version, alias] = uri.match(/^models:\/([^/@]+)(?:\/(\d+)|@(.+))$/) ?? [];
  const { data } = useLoad(`model of ${uri}`, async () =>
    name ? (await (alias ? getVersionByAlias(name, alias) : getVersion(name, version!))).model_version : undefined);
  return (
    <span class="soft">
      {name ? <a href={`/ui/models/${encodeURIComponent(name)}`}>{uri}</a> : uri}
      {data?.run_id ? <> from <a href={`/ui/runs/${data.run_id}`}>run {data.run_id.slice(0, 8)}</a></> : null}
    </span>
  );
}

// Without managedFields, as kubectl prints objects.
const asKubectl = (service: InferenceService) => ({ ...service, metadata: { ...service.metadata, managedFields: undefined } });

const tabs = ["overview", "events", "logs", "yaml"];

export function DeploymentPage({ space, name }: { space: string; name: string }) {
  const { data: service, error } = useLoad(`service ${space}/${name}`, () => getService(space, name), 1000);
  const pods = useLoad(`pods ${space}/${name}`, () => listPods(space, `serving.kserve.io/inferenceservice=${name}`), 1000).data?.items ?? [];
  const tab = place.value.query.get("tab") ?? "overview";
  if (!service) return error ? <div class="error" role="alert">{error}</div> : null;
  const ready = condition(service, "Ready");
  return (
    <>
      <div class="head">
        <h1>{name}</h1>
        <State word={health(service)} />
        <Model uri={service.spec.predictor.model?.storageUri} />
        <span class="spring" />
        <AsCommand lines={`modelkit describe isvc ${name} -n ${space}\nkubectl get isvc ${name} -n ${space} -o yaml`} />
      </div>
      {ready?.status !== "True" && ready?.message ? <p class={`why ${health(service) === "Failed" ? "bad" : ""}`}>{ready.message}{pods.length && tab !== "logs" ? <>{" "}<a href={`${place.value.path}?tab=logs`}>See the logs</a></> : null}</p> : null}
      {service.status?.url ? <p><code>curl {service.status.url}/v2/models/{name}</code></p> : null}
      <nav class="tabs" aria-label="Parts">
        {tabs.map((t) => <a key={t} href={`${place.value.path}?tab=${t}`} aria-current={t === tab ? "page" : undefined} onClick={(e) => { e.preventDefault(); e.stopPropagation(); setQuery({ tab: t }); }}>{t === "yaml" ? "YAML" : t[0]!.toUpperCase() + t.slice(1)}</a>)}
      </nav>
      {tab === "overview" ? <Overview service={service} pods={pods} /> : null}
      {tab === "events" ? <Events service={service} /> : null}
      {tab === "logs" ? <Logs service={service} pods={pods} /> : null}
      {tab === "yaml" ? <pre class="yaml" tabIndex={0} role="region" aria-label="YAML">{yaml(asKubectl(service))}</pre> : null}
    </>
  );
}
