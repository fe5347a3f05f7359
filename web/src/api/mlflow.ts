// The MLflow calls that the console makes, and their shapes.
import { get, post } from "./server";

const base = "/ajax-api/2.0/mlflow";

export interface Pair { key: string; value: string }
export interface Metric { key: string; value: number | string; timestamp: number; step: number }
export interface Experiment { experiment_id: string; name: string; lifecycle_stage: string }
export interface RunInfo {
  run_id: string; run_name?: string; experiment_id: string; status: string; start_time?: number; end_time?: number;
  user_id?: string; artifact_uri?: string; lifecycle_stage: string;
}
export interface Run {
  info: RunInfo;
  data: { metrics?: Metric[]; params?: Pair[]; tags?: Pair[] };
  outputs?: { model_outputs?: { model_id: string; step?: number }[] };
}
export interface ModelVersion {
  name: string; version: string; creation_timestamp?: number; source?: string; run_id?: string; status?: string;
  description?: string; aliases?: string[]; tags?: Pair[];
}
export interface RegisteredModel {
  name: string; creation_timestamp?: number; last_updated_timestamp?: number; description?: string;
  latest_versions?: ModelVersion[]; aliases?: { alias: string; version: string }[]; tags?: Pair[];
}
export interface FileInfo { path: string; is_dir: boolean; file_size?: number }

export const searchExperiments = () =>
  post<{ experiments?: Experiment[] }>(`${base}/experiments/search`, { max_results: 1000 });
export const searchRuns = (body: object, signal?: AbortSignal) =>
  post<{ runs?: Run[]; next_page_token?: string }>(`${base}/runs/search`, body, signal);
export const getRun = (run_id: string) => get<{ run: Run }>(`${base}/runs/get`, { run_id });
export const getHistory = (run_id: string, metric_key: string) =>
  get<{ metrics?: Metric[] }>(`${base}/metrics/get-history-bulk-interval`, { run_ids: run_id, metric_key, max_results: 1000 });
export const listArtifacts = (run_id: string, path?: string) =>
  get<{ files?: FileInfo[]; root_uri?: string }>(`${base}/artifacts/list`, { run_id, path });
export const searchModels = (filter: string) =>
  get<{ registered_models?: RegisteredModel[] }>(`${base}/registered-models/search`, { filter: filter || undefined, max_results: 500 });
export const getModel = (name: string) => get<{ registered_model: RegisteredModel }>(`${base}/registered-models/get`, { name });
export const getVersion = (name: string, version: string) =>
  get<{ model_version: ModelVersion }>(`${base}/model-versions/get`, { name, version });
export const getVersionByAlias = (name: string, alias: string) =>
  get<{ model_version: ModelVersion }>(`${base}/registered-models/alias`, { name, alias });
export const searchVersions = (name: string) =>
  get<{ model_versions?: ModelVersion[] }>(`${base}/model-versions/search`, { filter: `name='${name.replace(/'/g, "''")}'`, max_results: 500 });
export const artifactUrl = (run_id: string, path: string) =>
  `/get-artifact?path=${encodeURIComponent(path)}&run_uuid=${encodeURIComponent(run_id)}`;
