// The Kubernetes calls that the console makes.
import { get } from "./server";

export interface Meta {
  name: string; namespace?: string; uid: string; creationTimestamp: string; generation?: number;
  labels?: Record<string, string>; annotations?: Record<string, string>; resourceVersion?: string;
}
export interface Condition { type: string; status: string; reason?: string; message?: string; lastTransitionTime?: string }
export interface Share { revisionName: string; percent: number; latestRevision: boolean }
export interface InferenceService {
  apiVersion: string; kind: string; metadata: Meta;
  spec: { predictor: { model?: { storageUri?: string; modelFormat?: { name: string } }; canaryTrafficPercent?: number } };
  status?: {
    url?: string; conditions?: Condition[]; observedGeneration?: number;
    components?: { predictor?: { traffic?: Share[]; latestReadyRevision?: string; latestCreatedRevision?: string } };
    modelStatus?: { transitionStatus?: string };
  };
}
export interface Pod {
  metadata: Meta;
  status?: { phase?: string; podIP?: string; conditions?: Condition[];
    containerStatuses?: { restartCount: number; ready: boolean; state?: { waiting?: { reason?: string; message?: string } } }[] };
}
export interface Event { metadata: Meta; type: string; reason: string; message: string; count?: number; lastTimestamp?: string }
interface List<T> { items: T[]; metadata: { resourceVersion: string } }

const services = "/apis/serving.kserve.io/v1beta1";

export const listServices = () => get<List<InferenceService>>(`${services}/inferenceservices`, { visible: "true" });
export const getService = (space: string, name: string) =>
  get<InferenceService>(`${services}/namespaces/${encodeURIComponent(space)}/inferenceservices/${encodeURIComponent(name)}`);
export const listPods = (space: string, labelSelector: string) =>
  get<List<Pod>>(`/api/v1/namespaces/${encodeURIComponent(space)}/pods`, { labelSelector });
export const listEvents = (space: string, uid: string) =>
  get<List<Event>>(`/api/v1/namespaces/${encodeURIComponent(space)}/events`, { fieldSelector: `involvedObject.uid=${uid}` });
export const logPath = (space: string, pod: string, tail: number) =>
  `/api/v1/namespaces/${encodeURIComponent(space)}/pods/${encodeURIComponent(pod)}/log?tailLines=${tail}`;

export const condition = (object: { status?: { conditions?: Condition[] } }, type: string) =>
  object.status?.conditions?.find((c) => c.type === type);
