//! Every member that the sources read at the top level of a record, in one shape, so that one pass finds them all.

use std::sync::LazyLock;

use crate::record::{Shape, keys};

keys! {
    /// The pointers of the shape [`RECORD`]. A pointer stands once, in the section of the first source that has it.
    RECORD_KEYS {
        // Text that may carry an event.
        MESSAGE = "/message",
        LOG = "/log",
        JOURNAL_MESSAGE = "/MESSAGE",
        // The record's own time.
        TIME = "/time",
        TIMESTAMP = "/timestamp",
        AT_TIMESTAMP = "/@timestamp",
        TS = "/ts",
        // Docker and Swarm.
        DOCKER_STATUS = "/status",
        DOCKER_ID = "/id",
        DOCKER_FROM = "/from",
        DOCKER_TYPE = "/Type",
        DOCKER_ACTION = "/Action",
        DOCKER_SCOPE = "/scope",
        DOCKER_TIME_NANO = "/timeNano",
        DOCKER_ACTOR_ID = "/Actor/ID",
        DOCKER_IMAGE = "/Actor/Attributes/image",
        DOCKER_NAME = "/Actor/Attributes/name",
        DOCKER_COMPOSE_PROJECT = "/Actor/Attributes/com.docker.compose.project",
        DOCKER_COMPOSE_SERVICE = "/Actor/Attributes/com.docker.compose.service",
        DOCKER_SWARM_SERVICE = "/Actor/Attributes/com.docker.swarm.service.name",
        DOCKER_STACK = "/Actor/Attributes/com.docker.stack.namespace",
        DOCKER_EXIT_CODE = "/Actor/Attributes/exitCode",
        DOCKER_SIGNAL = "/Actor/Attributes/signal",
        SWARM_IMAGE_NEW = "/Actor/Attributes/image.new",
        SWARM_REPLICAS_NEW = "/Actor/Attributes/replicas.new",
        SWARM_UPDATE_NEW = "/Actor/Attributes/updatestate.new",
        SWARM_AVAILABILITY_NEW = "/Actor/Attributes/availability.new",
        SWARM_STATE_NEW = "/Actor/Attributes/state.new",
        // Kubernetes Events.
        INVOLVED_OBJECT = "/involvedObject",
        REGARDING = "/regarding",
        // Kubernetes audit log.
        AUDIT_ID = "/auditID",
        GKE_METHOD = "/protoPayload/methodName",
        AKS_CATEGORY = "/category",
        AKS_LOG = "/properties/log",
        AKS_BATCH = "/records/*/properties/log",
        EKS_LOG_GROUP = "/logGroup",
        EKS_BATCH = "/logEvents/*/message",
        // Kubernetes objects.
        KIND = "/kind",
        API_VERSION = "/apiVersion",
        POD_METADATA = "/metadata",
        POD_CONTAINERS = "/spec/containers",
        WATCH_TYPE = "/type",
        WATCH_OBJECT = "/object",
        // Container logs with Kubernetes metadata.
        KUBERNETES = "/kubernetes",
        KUBERNETES_CLUSTER = "/kubernetes/cluster_name",
        KUBERNETES_NAMESPACE = "/kubernetes/namespace_name",
        KUBERNETES_POD_NAMESPACE = "/kubernetes/pod_namespace",
        KUBERNETES_POD = "/kubernetes/pod_name",
        KUBERNETES_POD_OWNER = "/kubernetes/pod_owner",
        KUBERNETES_OWNER_KIND = "/kubernetes/ownerReferences/*/kind",
        KUBERNETES_OWNER_NAME = "/kubernetes/ownerReferences/*/name",
        KUBERNETES_OWNER_CONTROLLER = "/kubernetes/ownerReferences/*/controller",
        KUBERNETES_CONTAINER = "/kubernetes/container_name",
        KUBERNETES_IMAGE = "/kubernetes/container_image",
        KUBERNETES_IMAGE_HASH = "/kubernetes/container_hash",
        KUBERNETES_IMAGE_ID = "/kubernetes/container_image_id",
        KUBERNETES_DOCKER_ID = "/kubernetes/docker_id",
        KUBERNETES_CONTAINER_ID = "/kubernetes/container_id",
        CONTAINER_ID = "/container_id",
        CONTAINER_NAME = "/container_name",
        IMAGE = "/image",
        LABEL_COMPOSE_PROJECT = "/label/com.docker.compose.project",
        LABEL_COMPOSE_SERVICE = "/label/com.docker.compose.service",
        LABEL_SWARM_SERVICE = "/label/com.docker.swarm.service.name",
        LABEL_STACK = "/label/com.docker.stack.namespace",
        // kube-state-metrics.
        METRIC_NAME = "/name",
        METRIC_TAGS = "/tags",
        METRIC_COUNTER = "/counter/value",
        METRIC_GAUGE = "/gauge/value",
        // containerd and CRI-O.
        LOG_MSG = "/msg",
        CRIO_DESCRIPTION = "/description",
        CRIO_CONTAINER = "/containerID",
        NERDCTL_TOPIC = "/Topic",
        NERDCTL_EVENT = "/Event",
        NERDCTL_TIMESTAMP = "/Timestamp",
        // Falco.
        FALCO_RULE = "/rule",
        FALCO_PRIORITY = "/priority",
        FALCO_FIELDS = "/output_fields",
        // Tetragon.
        TETRAGON_NODE = "/node_name",
        TETRAGON_CLUSTER = "/cluster_name",
        TETRAGON_EXEC = "/process_exec",
        TETRAGON_EXIT = "/process_exit",
        TETRAGON_KPROBE = "/process_kprobe",
        TETRAGON_TRACEPOINT = "/process_tracepoint",
        TETRAGON_UPROBE = "/process_uprobe",
        TETRAGON_LOADER = "/process_loader",
        TETRAGON_LSM = "/process_lsm",
        TETRAGON_CONNECT = "/process_connect",
        TETRAGON_LISTEN = "/process_listen",
        TETRAGON_CLOSE = "/process_close",
        // OpenTelemetry.
        OTEL_RESOURCES_OBJECT = "/resources/k8s.object.kind",
        OTEL_RESOURCES_POD = "/resources/k8s.pod.name",
        OTEL_RESOURCE_OBJECT = "/resource/k8s.object.kind",
        OTEL_RESOURCE_POD = "/resource/k8s.pod.name",
        OTEL_ATTRIBUTES_POD = "/attributes/k8s.pod.name",
        OTEL_POD = "/k8s.pod.name",
        OTEL_MESSAGE_VERSION = "/message/apiVersion",
        OTEL_MESSAGE_OBJECT = "/message/object",
        OTEL_BODY_VERSION = "/body/apiVersion",
        OTEL_BODY_OBJECT = "/body/object",
    }
}

/// The shape of a record.
pub static RECORD: LazyLock<Shape> = LazyLock::new(|| Shape::new(RECORD_KEYS));
