"""Small objects that the tests of this folder make."""


def config_map(name, space="default", **data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": space}, "data": data}


# Every namespace has a ConfigMap of its own: a selector of all others.
OURS = "--field-selector=metadata.name!=kube-root-ca.crt"


def secret(name, space="default"):
    """Of these a namespace has none of its own."""
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": space}, "data": {}}


def deployment(name, space="default", image="nginx:1", replicas=2):
    return {"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": name, "namespace": space, "labels": {"app": name}},
            "spec": {"replicas": replicas, "paused": True, "selector": {"matchLabels": {"app": name}},
                     "template": {"metadata": {"labels": {"app": name}},
                                  "spec": {"containers": [{"name": "web", "image": image,
                                                           "ports": [{"containerPort": 80}],
                                                           "env": [{"name": "A", "value": "1"}]}]}}}}


def inference_service(name, space="default", uri="models:/wine@champion"):
    return {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService",
            "metadata": {"name": name, "namespace": space},
            "spec": {"predictor": {"model": {"modelFormat": {"name": "onnx"}, "storageUri": uri}}}}
