//! Every member that the sources read at the top level of a record, in one shape, so that one pass finds them all.

use once_cell::sync::Lazy;

use crate::record::{Shape, keys};

keys! {
    /// The pointers of the shape [`RECORD`]. A pointer stands once, in the section of the first source that has it.
    RECORD_KEYS {
        // Text that may carry an event.
        MESSAGE = "/message",
        LOG = "/log",
        JOURNAL_MESSAGE = "/MESSAGE",
        STREAM = "/stream",
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
        SWARM_IMAGE_NEW = "/Actor/Attributes/image.new",
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
        WATCH_TYPE = "/type",
        WATCH_OBJECT = "/object",
        // Container logs with Kubernetes metadata.
        // kube-state-metrics.
        // containerd and CRI-O.
        LOG_MSG = "/msg",
        CRIO_DESCRIPTION = "/description",
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
    }
}

/// The shape of a record.
pub static RECORD: Lazy<Shape> = Lazy::new(|| Shape::new(RECORD_KEYS));
