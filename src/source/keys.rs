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
        // Kubernetes Events.
        // Kubernetes audit log.
        // Kubernetes objects.
        // Container logs with Kubernetes metadata.
        // kube-state-metrics.
        // containerd and CRI-O.
        // Falco.
        // Tetragon.
        // OpenTelemetry.
    }
}

/// The shape of a record.
pub static RECORD: Lazy<Shape> = Lazy::new(|| Shape::new(RECORD_KEYS));
