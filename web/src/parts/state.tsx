// A status as a coloured shape with its word: colour is never the only sign.

const looks: Record<string, string> = {
  FINISHED: "good", READY: "good", Ready: "good", Running: "good", Succeeded: "good",
  RUNNING: "running", SCHEDULED: "waiting", PENDING_REGISTRATION: "waiting", Starting: "waiting", Pending: "waiting", ContainerCreating: "waiting", PodInitializing: "waiting",
  FAILED: "bad", KILLED: "bad", FAILED_REGISTRATION: "bad", Failed: "bad", Error: "bad",
  CrashLoopBackOff: "bad", ErrImagePull: "bad", ImagePullBackOff: "bad", CreateContainerConfigError: "bad", CreateContainerError: "bad",
};

export function State({ word }: { word: string }) {
  return <span class={`state ${looks[word] ?? "unknown"}`}>{word}</span>;
}
